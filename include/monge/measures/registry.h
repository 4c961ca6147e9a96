#pragma once

#include "monge/measure.h"
#include "monge/options.h"

#include <functional>
#include <memory>
#include <span>
#include <string_view>

namespace monge {

/// A measure that a configuration can name. `where` names the table in error messages.
struct MeasureRow {
  PartInfo info;
  std::function<std::shared_ptr<const Measure>(const Table&, std::string_view where)> make;
};

std::span<const MeasureRow> measure_rows();

/// Throws Error on an unknown name (with the nearest one and the list), on an unknown key and on a
/// value that does not fit.
std::shared_ptr<const Measure> make_measure(std::string_view name, const Table& options,
                                            std::string_view where);

}  // namespace monge
