#pragma once

#include "monge/error.h"

#include <string>

namespace monge {

/// The message of the Error that `work` throws; "" where it throws none.
template <class Work>
std::string error_text(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// Expects that `text` contains `part` and is one line.
inline void expect_message(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "'" << text << "' lacks '" << part << "'";
  EXPECT_EQ(text.find('\n'), std::string::npos) << text;
}

}  // namespace monge
