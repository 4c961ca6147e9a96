// Times the way from picture files to batches: heads read, pictures decoded to 64 pixels, images
// from a cache and from memory; and how long training steps of a given length wait for them.
//
//   monge_bench_images PHOTOGRAPH WIDTH HEIGHT COUNT
//
// makes COUNT JPEG pictures of that size, pieces of the photograph, in a temporary folder, and
// prints one line of JSON.
#include "monge/measures/images.h"

#include "monge/image.h"
#include "monge/sampler.h"

#include "image/levels.h"
#include "image/prepare.h"
#include "timing.h"

#include <cmath>
#include <ctime>
#include <filesystem>

namespace {

using namespace monge;
using bench::Json;
using bench::now;

constexpr std::int64_t kSize = 64;
constexpr std::int64_t kBatch = 64;

/// Processor seconds of all threads.
double cpu() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// A folder that goes with the program.
struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "monge-images-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

void write_pictures(const std::filesystem::path& folder, const std::string& photograph,
                    std::int64_t width, std::int64_t height, int count) {
  ImageOptions whole;
  whole.crop = "none";
  Tensor levels = image::read_picture(photograph, whole);
  // Pieces are taken of a photograph that is larger by half than they are.
  const auto tall = static_cast<double>(levels.size(1)), wide = static_cast<double>(levels.size(2));
  const double scale =
      1.5 * std::max(static_cast<double>(width) / wide, static_cast<double>(height) / tall);
  if (scale > 1)
    levels =
        at::upsample_bilinear2d(levels.unsqueeze(0).to(at::kFloat),
                                {std::llround(scale * tall), std::llround(scale * wide)}, false)
            .squeeze(0)
            .round()
            .to(at::kByte);
  std::filesystem::create_directories(folder);
  Random random(1, "pieces");
  const Tensor tops = random.integers(levels.size(1) - height + 1, count);
  const Tensor lefts = random.integers(levels.size(2) - width + 1, count);
  for (int i = 0; i < count; ++i)
    image::write_levels(folder / fmt::format("{:05}.jpg", i),
                        levels.narrow(1, tops[i].item<std::int64_t>(), height)
                            .narrow(2, lefts[i].item<std::int64_t>(), width),
                        Existing::replace);
}

std::shared_ptr<const ImageMeasure> opened(const ImageOptions& options) {
  return std::dynamic_pointer_cast<const ImageMeasure>(make_images(options, "source"));
}

/// Wall and processor seconds an image of one pass over all of them.
Json pass(const ImageMeasure& images) {
  Sampler sampler(std::shared_ptr<const Measure>(&images, [](const Measure*) {}),
                  Random(2, "source"));
  const double wall = now(), processor = cpu();
  const std::int64_t batches = images.size() / kBatch;
  for (std::int64_t i = 0; i < batches; ++i) sampler.next(kBatch);
  const auto drawn = static_cast<double>(batches * kBatch);
  return {{"wall", (now() - wall) / drawn}, {"cpu", (cpu() - processor) / drawn}};
}

/// What steps of that many milliseconds of one thread's work wait for batches that are decoded for
/// the first time: of all their time, and for the first batch.
Json waiting(const ImageOptions& options, double milliseconds) {
  const auto images = opened(options);
  Sampler sampler(images, Random(2, "source"));
  double waited = 0, first = 0;
  const double begin = now();
  const std::int64_t steps = images->size() / kBatch;
  for (std::int64_t i = 0; i < steps; ++i) {
    const double asked = now();
    sampler.next(kBatch);
    (i == 0 ? first : waited) += now() - asked;
    const double started = now();
    while (now() - started < 1e-3 * milliseconds) {
    }
  }
  return {{"step", milliseconds}, {"share", waited / (now() - begin)}, {"first", first}};
}

int run(const std::vector<std::string>& arguments) {
  const std::int64_t width = std::stoll(arguments.at(1)), height = std::stoll(arguments.at(2));
  const int count = std::stoi(arguments.at(3));
  at::set_num_threads(1);
  const Folder folder;
  ImageOptions options;
  options.file = (folder.path / "pictures").string();
  options.size = kSize;
  options.workers = 1;
  write_pictures(options.file, arguments.at(0), width, height, count);
  Json result{{"width", width}, {"height", height}, {"count", count}};
  const double begin = cpu();
  const auto images = opened(options);
  result["heads"] = (cpu() - begin) / count;
  result["decoded"] = pass(*images);
  result["kept"] = pass(*images);
  options.cache = (folder.path / "cache").string();
  pass(*opened(options));
  result["cached"] = pass(*opened(options));
  options.cache.clear();
  for (const double milliseconds : {50.0, 200.0, 1000.0})
    result["waiting"].push_back(waiting(options, milliseconds));
  std::cout << result.dump() << "\n";
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  return bench::main_of("monge_bench_images", count, arguments, run);
}
