#include "monge/error.h"
#include "monge/image.h"

#include "image/evaluate.h"

namespace monge {
namespace {

/// Grid points first .. first + count - 1 of a size^3 lattice, red fastest: [count, 3].
Tensor lattice(std::int64_t first, std::int64_t count, std::int64_t size) {
  Tensor colours = at::empty({count, 3}, at::kFloat);
  float* colour = colours.mutable_data_ptr<float>();
  const auto last = static_cast<float>(size - 1);
  for (std::int64_t i = first; i < first + count; ++i)
    for (const std::int64_t level : {i % size, i / size % size, i / size / size})
      *colour++ = static_cast<float>(level) / last;
  return colours;
}

/// The format has no escapes: a title is one line between quotes.
std::string title_text(std::string title) {
  for (char& c : title) {
    if (c == '"') c = '\'';
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return title;
}

}  // namespace

void write_cube(const std::filesystem::path& path, const ColourFunction& map, int size,
                const std::string& title, Existing existing) {
  const std::string where = path.string();
  if (size < 2 || size > 256) fail(where, "a cube of 2 to 256 points a side", std::to_string(size));
  AtomicFile file(path, existing);
  file.write(
      fmt::format("TITLE \"{}\"\nLUT_3D_SIZE {}\nDOMAIN_MIN 0.0 0.0 0.0\n"
                  "DOMAIN_MAX 1.0 1.0 1.0\n",
                  title_text(title), size));
  const std::int64_t points = std::int64_t{size} * size * size;
  for (std::int64_t first = 0; first < points; first += image::kBlock) {
    const std::int64_t count = std::min(image::kBlock, points - first);
    const std::vector<float> mapped = image::evaluate(map, lattice(first, count, size), where);
    fmt::memory_buffer text;
    for (auto colour = mapped.begin(); colour != mapped.end(); colour += 3)
      fmt::format_to(std::back_inserter(text), "{:.8f} {:.8f} {:.8f}\n", colour[0], colour[1],
                     colour[2]);
    file.write(text.data(), text.size());
  }
  file.commit();
}

}  // namespace monge
