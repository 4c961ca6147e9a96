#include "image_evaluation.h"

#include "monge/affine.h"
#include "monge/error.h"
#include "monge/fid.h"
#include "monge/latent_map.h"
#include "monge/metric.h"
#include "monge/moments.h"
#include "monge/networks/autoencoder.h"

#include <fmt/ranges.h>

namespace monge {
namespace {

constexpr std::int64_t batch = 64;

/// Calls visit(rows [k, d]) for `count` points of a measure, without repetition where it is finite.
class Stream {
 public:
  Stream(const Measure& measure, Random random)
      : measure_(measure), finite_(dynamic_cast<const FiniteMeasure*>(&measure)), random_(random) {
    if (finite_) order_ = random_.permutation(finite_->size());
  }

  void next(std::int64_t count, const std::function<void(const Tensor&)>& visit) {
    for (std::int64_t done = 0; done < count; done += batch) {
      const std::int64_t some = std::min(batch, count - done);
      visit(finite_ ? finite_->points(order_.narrow(0, at_, some))
                    : measure_.sample(some, random_));
      at_ += some;
    }
  }

 private:
  const Measure& measure_;
  const FiniteMeasure* finite_;
  Random random_;
  Tensor order_;
  std::int64_t at_ = 0;
};

std::int64_t size_of(const Measure& measure, std::int64_t otherwise) {
  const auto* finite = dynamic_cast<const FiniteMeasure*>(&measure);
  return finite ? finite->size() : otherwise;
}

/// Features of a set of images, [n, d], with their moments.
class FeatureSet {
 public:
  FeatureSet(const FeatureNetwork& network, std::span<const std::int64_t> shape)
      : network_(network), shape_(shape) {}

  void add(const Tensor& rows) {
    features_.push_back(network_.features(as_images(rows, shape_)));
    sums_.add(features_.back());
  }
  Moments moments() const { return sums_.moments(); }
  Tensor features() const { return at::cat(features_); }

 private:
  const FeatureNetwork& network_;
  std::span<const std::int64_t> shape_;
  MomentSums sums_;
  std::vector<Tensor> features_;
};

/// A mean over images that come in batches.
class Mean {
 public:
  void add(const Tensor& values) {
    sum_ += values.to(at::kDouble).sum().item<double>();
    count_ += values.numel();
  }
  double value() const { return sum_ / static_cast<double>(count_); }

 private:
  double sum_ = 0;
  std::int64_t count_ = 0;
};

/// Rows of at most so many numbers are kept, for distances between pixels.
class Sample {
 public:
  void add(const Tensor& rows) {
    constexpr std::int64_t numbers = 1 << 21;
    const std::int64_t room = std::max(batch, numbers / rows.size(1)) - kept_;
    if (room <= 0) return;
    rows_.push_back(rows.narrow(0, 0, std::min(room, rows.size(0))));
    kept_ += rows_.back().size(0);
  }
  Tensor rows() const { return at::cat(rows_); }

 private:
  std::vector<Tensor> rows_;
  std::int64_t kept_ = 0;
};

Tensor lengths(const Tensor& rows) { return rows.norm(2, at::IntArrayRef{1}); }

/// What the passes over the images gather.
struct Gathered {
  Gathered(const FeatureNetwork& network, std::span<const std::int64_t> shape)
      : x(network, shape), mapped(network, shape), y(network, shape), y_other(network, shape) {}

  FeatureSet x, mapped, y, y_other;  // x, of codes decoded
  Sample mapped_pixels, y_pixels, y_other_pixels;
  Mean change, cost, look;                  // of x to T(x)
  Mean diversity_look;                      // of T(x, z) to T(x, z')
  std::optional<FeatureSet> returned;       // of the inverse map, where it makes images
  std::optional<FeatureSet> reconstructed;  // y through the autoencoder, where there is one
};

/// T(x), or T(x, z) with other noise for every batch.
Tensor moved(const TransportMap& map, const Tensor& rows, Random& noise) {
  const auto* stochastic = dynamic_cast<const StochasticMap*>(&map);
  Tensor mapped = stochastic ? stochastic->sample(rows, noise) : map.transport(rows);
  if (!mapped.isfinite().all().item<bool>())
    throw Error("evaluate: the map gives values that are not finite");
  return mapped;
}

Gathered gather(const Solution& solution, const Measure& source, const Measure& target,
                std::int64_t n, std::uint64_t seed, const ImageMetrics& metrics,
                std::span<const std::int64_t> shape) {
  constexpr std::int64_t few = 128;  // a stochastic map is asked once more
  const auto look = [&](const Tensor& a, const Tensor& b) {
    return metrics.perceptual->between(as_images(a, shape), as_images(b, shape));
  };
  Gathered sets(*metrics.features, shape);
  Random noise(seed, "evaluation noise");
  const auto parts = latent_parts(*solution.map);
  const bool codes = parts && !parts->space.source_is_data;
  std::int64_t seen = 0;
  Stream sources(source, Random(seed, "evaluation source"));
  sources.next(n, [&](const Tensor& x) {
    const Tensor mapped = moved(*solution.map, x, noise);
    const Tensor looked = codes ? parts->space.autoencoder->decode(x) : x;
    sets.x.add(looked);
    sets.mapped.add(mapped);
    sets.mapped_pixels.add(mapped);
    const Tensor length = lengths(mapped - looked);
    sets.change.add(length);
    sets.cost.add(length.square() / 2);
    sets.look.add(look(looked, mapped));
    if (dynamic_cast<const StochasticMap*>(solution.map.get()) && seen < few)
      sets.diversity_look.add(look(mapped, moved(*solution.map, x, noise)));
    seen += x.size(0);
  });
  Stream targets(target, Random(seed, "evaluation target"));
  if (solution.inverse && !codes) sets.returned.emplace(*metrics.features, shape);
  if (parts) sets.reconstructed.emplace(*metrics.features, shape);
  targets.next(n, [&](const Tensor& y) {
    sets.y.add(y);
    sets.y_pixels.add(y);
    if (parts) {
      const Autoencoder& autoencoder = *parts->space.autoencoder;
      sets.reconstructed->add(autoencoder.decode(autoencoder.encode(y)));
    }
    if (sets.returned) sets.returned->add(moved(*solution.inverse, y, noise));
  });
  targets.next(n, [&](const Tensor& y) {
    sets.y_other.add(y);
    sets.y_other_pixels.add(y);
  });
  return sets;
}

void add_feature_figures(std::vector<EvaluatedFigure>& figures, const Gathered& sets,
                         const ImageMetrics& metrics) {
  const bool published = metrics.features->published();
  const std::string frechet = published ? "fid" : "offline_frechet";
  const std::string kernel = published ? "kid" : "offline_kernel";
  const std::string in =
      fmt::format("in {}{}", metrics.features->name(), published ? "" : ", no FID of publications");
  const Moments y = sets.y.moments(), mapped = sets.mapped.moments();
  figures.push_back({frechet, frechet_distance(mapped, y),
                     fmt::format("Fréchet distance of mapped to target images {}", in)});
  figures.push_back({frechet + "_floor", frechet_distance(sets.y_other.moments(), y),
                     "the same between two sets of target images: what so few images alone give"});
  figures.push_back({frechet + "_identity", frechet_distance(sets.x.moments(), y),
                     "the same of the source as it is, codes decoded: what the map has to beat"});
  if (sets.reconstructed)
    figures.push_back({frechet + "_reconstruction",
                       frechet_distance(sets.reconstructed->moments(), y),
                       "the same of target images through the autoencoder alone"});
  if (metrics.target)
    figures.push_back({frechet + "_statistics", frechet_distance(mapped, *metrics.target),
                       "the same to the statistics of the whole target"});
  if (sets.returned)
    figures.push_back({"inverse_" + frechet,
                       frechet_distance(sets.returned->moments(), sets.x.moments()),
                       "the same of the target mapped back to the source"});
  figures.push_back({kernel, kernel_distance(sets.mapped.features(), sets.y.features()),
                     fmt::format("kernel distance of mapped to target images {}; unbiased", in)});
}

}  // namespace

bool is_image(std::span<const std::int64_t> shape) {
  return shape.size() == 3 && (shape[0] == 1 || shape[0] == 3);
}

bool makes_images(const Measure& source, const Measure& target) {
  return is_image(target.shape()) &&
         (source.shape() == target.shape() || source.dimension() != target.dimension());
}

Tensor as_images(const Tensor& rows, std::span<const std::int64_t> shape) {
  return rows.view({rows.size(0), shape[0], shape[1], shape[2]});
}

FeatureDistances feature_distances(const Tensor& x, const Tensor& y,
                                   std::span<const std::int64_t> shape) {
  const auto network = offline_features();
  const Tensor from = network->features(as_images(x, shape));
  const Tensor to = network->features(as_images(y, shape));
  if (!from.isfinite().all().item<bool>()) {  // a training that went wrong is judged by the trainer
    constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
    return {unknown, unknown};
  }
  const double scale = at::pdist(to).mean().item<double>();
  return {.energy = energy_distance(from, to) / (scale > 0 ? scale : 1),
          .frechet = frechet_distance(empirical_moments(from), empirical_moments(to))};
}

std::vector<EvaluatedFigure> evaluate_images(const Solution& solution, const Measure& source,
                                             const Measure& target, std::int64_t points,
                                             std::uint64_t seed, const ImageMetrics& metrics) {
  const std::vector<std::int64_t> shape = target.shape();
  const std::int64_t n =
      std::min({points, size_of(source, points), size_of(target, 2 * points) / 2});
  if (n < 2) fail("evaluate", "at least 2 source and 4 target images", fmt::format("{} pairs", n));
  const Gathered sets = gather(solution, source, target, n, seed, metrics, shape);
  std::vector<EvaluatedFigure> figures;
  figures.push_back({"points", static_cast<double>(n), "images of each set"});
  add_feature_figures(figures, sets, metrics);
  const Tensor y = sets.y_pixels.rows();
  figures.push_back(
      {"energy_distance", energy_distance(sets.mapped_pixels.rows(), y),
       fmt::format("of pixels, between mapped and target images, {} of each", y.size(0))});
  figures.push_back({"energy_distance_floor", energy_distance(sets.y_other_pixels.rows(), y),
                     "the same between two sets of target images"});
  figures.push_back({"l2", sets.change.value(),
                     "E |x - T(x)|, pixels in [-1, 1]; of codes x that of their images"});
  figures.push_back({"transport_cost", sets.cost.value(), "½ E|x - T(x)|²"});
  figures.push_back(
      {metrics.perceptual->key(), sets.look.value(),
       fmt::format("how unlike x and T(x) look, by {}; 0: the same", metrics.perceptual->name())});
  if (dynamic_cast<const StochasticMap*>(solution.map.get()))
    figures.push_back({metrics.perceptual->key() + "_diversity", sets.diversity_look.value(),
                       "how unlike T(x, z) and T(x, z') look, in the same way"});
  return figures;
}

EvaluationSettings evaluation_settings(const Config& config, const Measure& source,
                                       const Measure& target) {
  const auto options = evaluate_declaration().read(config.options("evaluate"), "evaluate");
  for (const auto& [name, file] :
       {std::pair("features", &options.features), std::pair("perceptual", &options.perceptual),
        std::pair("statistics", &options.statistics)})
    if (!file->empty() && !makes_images(source, target))
      fail(fmt::format("evaluate.{}", name), "a target of images with 1 or 3 channels",
           fmt::format("one of [{}]", fmt::join(target.shape(), ", ")));
  const PartInfo& weak = weak_quadratic_declaration().info();
  EvaluationSettings settings;
  if (config.part("cost", "") == weak.name)
    settings.gamma = weak_quadratic_declaration().read(config.options("cost"), "cost").gamma;
  ImageMetrics& images = settings.images;
  if (!options.features.empty()) images.features = load_features(options.features);
  if (!options.perceptual.empty()) images.perceptual = load_perceptual(options.perceptual);
  if (options.statistics.empty()) return settings;
  images.target = read_feature_statistics(options.statistics);
  if (images.target->mean.size(0) != images.features->dimension())
    fail(options.statistics,
         fmt::format("statistics of the {} features of {}", images.features->dimension(),
                     images.features->name()),
         fmt::format("of {}", images.target->mean.size(0)));
  return settings;
}

}  // namespace monge
