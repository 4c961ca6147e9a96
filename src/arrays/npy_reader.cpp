#include "arrays/npy_header.h"
#include "arrays/readers.h"

namespace monge {

std::unique_ptr<ArrayReader> open_npy(const ArrayLocation& location) {
  auto source = std::make_unique<FileSource>(location.path);
  require_magic(*source, npy_magic, "an npy array");
  BinaryLayout layout = read_npy_header(location.text, *source);
  return read_binary(location.text, std::move(source), std::move(layout));
}

}  // namespace monge
