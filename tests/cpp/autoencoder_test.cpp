#include "monge/networks/autoencoder.h"

#include "monge/differentiable.h"
#include "monge/error.h"
#include "monge/features.h"
#include "monge/latent_map.h"
#include "monge/latent_stage.h"
#include "monge/map_file.h"
#include "monge/measures/array.h"
#include "monge/measures/gaussian.h"
#include "monge/measures/images.h"
#include "monge/safetensors.h"
#include "monge/smoothing.h"
#include "monge/solvers/autoencoder_fit.h"

#include "error_text.h"
#include "temporary_folder.h"

namespace monge {
namespace {

const std::vector<std::int64_t> image{1, 11, 9};  // odd sides: halved and doubled without a rest

std::shared_ptr<Autoencoder> made(const LatentOptions& options,
                                  const std::vector<std::int64_t>& shape) {
  Random random(5, "network");
  return std::make_shared<Autoencoder>(options, shape, random);
}

LatentOptions small(const std::string& kind) {
  return {.kind = kind, .dimension = 3, .hidden = {16, 12}, .width = 4};
}

Tensor points(std::int64_t n, std::int64_t d) {
  return Random(6, "points").uniform({n, d}) * 2 - 1;
}

/// One of each kind and architecture, with moments that are not those they start with.
std::vector<std::shared_ptr<Autoencoder>> all_kinds() {
  std::vector<std::shared_ptr<Autoencoder>> all;
  for (const char* kind : {"autoencoder", "vae"}) {
    for (const auto& shape : {image, std::vector<std::int64_t>{7}}) {
      all.push_back(made(small(kind), shape));
      const Tensor x = points(40, all.back()->dimension()) * 3 + 1;
      all.back()->set_frame(x);
      all.back()->standardise(x);
    }
  }
  return all;
}

TEST(Autoencoder, ShapesFollowThePoints) {
  for (const auto& one : all_kinds()) {
    const Tensor x = points(700, one->dimension());  // more than pass in one block
    const Tensor z = one->encode(x), y = one->decode(z);
    EXPECT_EQ(z.sizes(), (at::IntArrayRef{700, 3}));
    EXPECT_EQ(y.sizes(), x.sizes());
    EXPECT_TRUE(at::allclose(one->encode(x, Graph::create).detach(), z, 1e-4, 1e-5));
    EXPECT_TRUE(at::allclose(one->decode(z, Graph::create).detach(), y, 1e-4, 1e-5));
    EXPECT_FALSE(z.requires_grad() || y.requires_grad());
    if (one->of_images()) {
      EXPECT_LE(y.abs().max().item<double>(), 1);
    }
  }
  EXPECT_EQ(made(small("vae"), image)->options().architecture, "convolutional");
  EXPECT_EQ(made(small("vae"), {1, 7, 30})->options().architecture, "dense");
}

TEST(Autoencoder, WhatDoesNotFitIsRefused) {
  LatentOptions options = small("vae");
  options.dimension = 7;
  EXPECT_EQ(error_text([&] { made(options, {7}); }),
            "latent.dimension: expected less than the 7 numbers of a point, got 7");
  options = small("vae");
  options.architecture = "convolutional";
  EXPECT_EQ(error_text([&] { made(options, {7}); }),
            "latent.architecture: expected dense, or images of at least 8 pixels a side, got "
            "convolutional for points of shape [7]");
  options = small("vae");
  options.reconstruction = "perceptual";
  expect_message(error_text([&] { made(options, {7}); }),
                 "latent.reconstruction: expected l2 or l1, or images of 1 or 3 channels");
  const auto one = made(small("autoencoder"), {7});
  EXPECT_EQ(error_text([&] { one->encode(points(2, 6)); }),
            "autoencoder: expected points [n, 7], got [2, 6]");
  EXPECT_EQ(error_text([&] { one->decode(points(2, 6)); }),
            "autoencoder: expected codes [n, 3], got [2, 6]");
}

/// ∫ p log(p / q) of N(mean, s²) from N(0, 1) by the rectangle rule.
double divergence_by_quadrature(double mean, double log_variance) {
  const double deviation = std::exp(0.5 * log_variance);
  const Tensor t = at::linspace(mean - 12 * deviation, mean + 12 * deviation, 40001, at::kDouble);
  const Tensor log_p = -0.5 * ((t - mean) / deviation).square() - std::log(deviation);
  const Tensor terms = log_p.exp() * (log_p + 0.5 * t.square());
  return (terms.sum() * (24 * deviation / 40000) / std::sqrt(2 * M_PI)).item<double>();
}

TEST(Autoencoder, TheDivergenceOfACodeIsTheIntegral) {
  const Tensor mean = at::tensor({0.0, 1.5, -0.3, 2.0}, at::kDouble).view({2, 2});
  const Tensor log_variance = at::tensor({0.0, -2.0, 1.0, -5.0}, at::kDouble).view({2, 2});
  const Tensor found = code_divergence({mean, log_variance});
  for (int row = 0; row < 2; ++row) {
    double expected = 0;
    for (int column = 0; column < 2; ++column)
      expected += divergence_by_quadrature(mean[row][column].item<double>(),
                                           log_variance[row][column].item<double>());
    EXPECT_NEAR(found[row].item<double>(), expected, 1e-6);
  }
}

TEST(Autoencoder, ReconstructionsAreHeldToPointsByTheChosenDistance) {
  LatentOptions options = small("autoencoder");
  const auto displayed = [](const Tensor& z) {
    return ((z.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1;
  };
  const Tensor x = displayed(points(5, 99)), y = displayed(x + 0.2 * points(5, 99).flip(0));
  const Tensor squares = 0.5 * (x - y).square().sum(1);
  EXPECT_TRUE(at::allclose(reconstruction_loss(*made(options, image), x, y), squares));
  options.reconstruction = "l1";
  EXPECT_TRUE(at::allclose(reconstruction_loss(*made(options, image), x, y), (x - y).abs().sum(1)));
  options.reconstruction = "perceptual";
  options.perceptual_weight = 0.3;
  const Tensor looks = offline_perceptual()->between(x.view({5, 1, 11, 9}), y.view({5, 1, 11, 9}));
  EXPECT_TRUE(at::allclose(reconstruction_loss(*made(options, image), x, y),
                           squares + 0.3 * 99 * looks, 1e-4, 1e-4));
  const auto plain = made(small("autoencoder"), {99});
  plain->set_frame(4 * x + 1);
  const double scale = plain->statistics().at("scale").item<double>();
  EXPECT_TRUE(at::allclose(reconstruction_loss(*plain, 4 * x + 1, 4 * y + 1),
                           16 * squares / (scale * scale), 1e-3));
}

TEST(Autoencoder, CodesAreCentredAndScaledWithoutChangingWhatIsDecoded) {
  const auto one = made(small("autoencoder"), image);
  const Tensor x = points(300, 99), before = one->decode(one->encode(x));
  one->standardise(x);
  const Tensor codes = one->encode(x).to(at::kDouble);
  EXPECT_LT(codes.mean(0).abs().max().item<double>(), 1e-3);
  EXPECT_NEAR(codes.var(0, false).mean().item<double>(), 1, 1e-3);
  EXPECT_TRUE(at::allclose(one->decode(one->encode(x)), before, 1e-3, 1e-4));
  const auto variational = made(small("vae"), image);
  const Tensor kept = variational->encode(x);
  variational->standardise(x);
  EXPECT_TRUE(at::equal(variational->encode(x), kept));  // the prior is their scale
}

std::shared_ptr<const Measure> mnist(std::int64_t from, std::int64_t count) {
  const auto all = make_images(
      {.file = std::string(MONGE_SOURCE_DIR) + "/data/mnist/t10k-images-idx3-ubyte.gz"}, "test");
  const auto& images = dynamic_cast<const ImageMeasure&>(*all);
  return images.part(at::arange(from, from + count), Mirrored::no);
}

/// Unexplained variance, %, of held-out digits after some steps on others.
double error_after(const LatentOptions& options, const Tensor& held_out) {
  const auto train = mnist(0, 3000);
  const Split split{train, train};
  LatentStage stage = make_latent_stage(options, {.evaluate_every = 1000}, split, split, 1,
                                        std::make_shared<ProcessGroup>());
  train_latent(stage);
  return reconstruction_error(held_out,
                              stage.autoencoder->decode(stage.autoencoder->encode(held_out)));
}

/// Of the best affine code of as many numbers: principal components.
double error_of_components(const Tensor& known, const Tensor& held_out, std::int64_t k) {
  const Tensor mean = known.mean(0);
  const Tensor basis =
      std::get<2>(at::linalg_svd(known - mean, /*full_matrices=*/false)).narrow(0, 0, k);
  const Tensor codes = (held_out - mean).mm(basis.t());
  return reconstruction_error(held_out, mean + codes.mm(basis));
}

TEST(AutoencoderFit, DigitsAreKeptBetterThanByAsManyPrincipalComponents) {
  constexpr std::int64_t k = 8;
  Random random(2, "digits");
  const Tensor known = mnist(0, 3000)->sample(2000, random);
  const Tensor held_out = mnist(3000, 500)->sample(500, random);
  const double components = error_of_components(known, held_out, k);
  LatentOptions options{.kind = "autoencoder",
                        .dimension = k,
                        .width = 8,
                        .batch = 64,
                        .learning_rate = 3e-3,
                        .steps = 400};
  EXPECT_LT(error_after(options, held_out), 0.85 * components);
  options.steps = 20;
  options.learning_rate = 0;
  EXPECT_GT(error_after(options, held_out), components);
}

/// Normal points near a plane of eight dimensions, far from 0 and of any scale.
Tensor near_plane(std::int64_t n) {
  Random random(3, "plane");
  const Tensor along = random.normal({2, 8});
  return 50 + 10 * (random.normal({n, 2}).mm(along) + 0.05 * random.normal({n, 8}));
}

TEST(AutoencoderFit, AVariationalCodeIsAboutStandardNormal) {
  const auto measure = std::make_shared<ArrayMeasure>(near_plane(3000));
  const Split split{measure, measure};
  LatentOptions options = small("vae");
  options.dimension = 2;
  options.hidden = {32, 32};
  options.learning_rate = 3e-3;
  options.steps = 1500;
  options.kl_weight = 0.1;  // the noise's variance, in units of the points' own
  LatentStage stage = make_latent_stage(options, {.evaluate_every = 1000}, split, split, 1,
                                        std::make_shared<ProcessGroup>());
  train_latent(stage);
  const Autoencoder::Code code = stage.autoencoder->code(measure->rows(), Graph::none);
  const Tensor spread = code.mean.var(0, false) + code.log_variance.exp().mean(0);
  EXPECT_LT(code.mean.mean(0).abs().max().item<double>(), 0.15);
  EXPECT_LT((spread - 1).abs().max().item<double>(), 0.2);
  EXPECT_LT(reconstruction_error(measure->rows(), stage.autoencoder->decode(code.mean)), 5);
}

/// One of each kind of latent map and side.
std::vector<Solution> solutions() {
  std::vector<Solution> all;
  Random random(8, "maps");
  const auto affine =
      std::make_shared<AffineTransportMap>(AffineMap{random.normal({3, 3}), random.normal({3})});
  const auto noisy = std::make_shared<SmoothedMap>(affine, Noise{1, 0.04});
  for (const auto& autoencoder : all_kinds()) {
    for (const bool source_is_data : {true, false}) {
      const LatentSpace space{autoencoder, source_is_data};
      all.push_back(
          {through_latent_space(affine, space), through_latent_space(affine, space.reversed())});
      all.push_back({through_latent_space(noisy, space), nullptr});
    }
  }
  return all;
}

TEST(LatentMap, IsTheEncoderTheMapAndTheDecoder) {
  for (const Solution& solution : solutions()) {
    const LatentParts parts = *latent_parts(*solution.map);
    const Autoencoder& autoencoder = *parts.space.autoencoder;
    const bool data = parts.space.source_is_data;
    EXPECT_EQ(solution.map->dimension(), data ? autoencoder.dimension() : 3);
    EXPECT_EQ(solution.map->target_shape(), autoencoder.shape());
    const Tensor x = points(6, solution.map->dimension());
    const Tensor codes = data ? autoencoder.encode(x) : x;
    EXPECT_TRUE(
        at::equal(solution.map->transport(x), autoencoder.decode(parts.map->transport(codes))));
    EXPECT_TRUE(at::allclose(solution.map->at_time(x, 0), autoencoder.decode(codes), 1e-4, 1e-5));
    EXPECT_TRUE(at::allclose(solution.map->at_time(x, 1), solution.map->transport(x), 1e-4, 1e-5));
  }
}

TEST(LatentMap, ComesBackFromAFile) {
  const TemporaryFolder folder;
  for (const Solution& solution : solutions()) {
    save_map(folder / "map.safetensors", solution, {});
    const LoadedMap loaded = load_map(folder / "map.safetensors");
    const Tensor x = points(6, solution.map->dimension());
    EXPECT_TRUE(at::equal(loaded.solution.map->transport(x), solution.map->transport(x)));
    EXPECT_EQ(loaded.solution.map->shape(), solution.map->shape());
    ASSERT_EQ(loaded.solution.inverse == nullptr, solution.inverse == nullptr);
    if (!solution.inverse) continue;
    const Tensor y = points(6, solution.inverse->dimension());
    EXPECT_TRUE(at::equal(loaded.solution.inverse->transport(y), solution.inverse->transport(y)));
    EXPECT_EQ(latent_parts(*loaded.solution.map)->space.autoencoder,
              latent_parts(*loaded.solution.inverse)->space.autoencoder);
  }
}

TEST(LatentMap, DamagedFilesAreRefused) {
  const TemporaryFolder folder;
  const auto path = folder / "map.safetensors";
  save_autoencoder(path, made(small("vae"), image));
  EXPECT_EQ(load_autoencoder(path)->options().kind, "vae");
  const TensorFile whole = read_safetensors(path);
  const auto message = [&](const std::function<void(TensorFile&)>& damage) {
    TensorFile damaged = whole;
    damage(damaged);
    write_safetensors(path, damaged);
    return error_text([&] { load_map(path); });
  };
  expect_message(message([](TensorFile& file) { file.metadata.erase("autoencoder"); }),
                 "expected the autoencoder of the latent space, got none");
  expect_message(
      message([](TensorFile& file) { file.tensors.erase("autoencoder.decoder.code.bias"); }),
      "expected a tensor 'decoder.code.bias', got none");
  expect_message(message([](TensorFile& file) {
                   file.metadata["autoencoder"] = R"({"shape": [1, 99999999, 9], "options": {}})";
                 }),
                 "expected an autoencoder of points [d] or images");
  expect_message(message([](TensorFile& file) { file.metadata["autoencoder"] = "{}"; }),
                 "expected a readable description of the map");
}

TEST(LatentMap, HasTheGradientOfItsParts) {
  for (const Solution& solution : solutions()) {
    const Tensor x = points(2, solution.map->dimension()).set_requires_grad(true);
    const Tensor moved = differentiable_transport(*solution.map, x);
    EXPECT_TRUE(at::allclose(moved.detach(), solution.map->transport(x.detach()), 1e-3, 1e-4));
    const Tensor v = points(2, moved.size(1)), direction = Random(9, "way").normal(x.sizes());
    const Tensor gradient = torch::autograd::grad({(moved * v).sum()}, {x}).front();
    constexpr double step = 1e-3;  // there are kinks
    const auto value = [&](double by) {
      return (solution.map->transport(x.detach() + by * direction).to(at::kDouble) * v)
          .sum()
          .item<double>();
    };
    const double slope = (gradient * direction).sum().item<double>();
    EXPECT_NEAR((value(step) - value(-step)) / (2 * step), slope, 0.05 * (1 + std::abs(slope)));
  }
}

std::shared_ptr<const Measure> standard_normal(std::int64_t d) {
  return std::make_shared<GaussianMeasure>(
      Moments{at::zeros({d}, at::kDouble), at::eye(d, at::kDouble)});
}

Config generation(const std::string& latent) {
  return parse_config(
      "[source]\nname = \"gaussian\"\ndimension = 2\n"
      "[target]\nname = \"gaussian\"\ndimension = 2\n"
      "[network]\nhidden = [8, 8]\n[train]\nmax_steps = 60\n" +
          latent,
      "test", "/data");
}

TEST(LatentSpace, PointsAreGeneratedAsTheyAre) {
  const auto data = std::make_shared<ArrayMeasure>(near_plane(3000));
  const Config config = generation(
      "[latent]\nkind = \"autoencoder\"\ndimension = 2\nhidden = [32, 32]\n"
      "steps = 1000\nlearning_rate = 3e-3\n");
  const Split source{standard_normal(2), standard_normal(2)};
  Experiment experiment = build_experiment(config, source, {data, data});
  EXPECT_EQ(experiment.problem.source.measure().dimension(), 2);
  Random random(config.seed, "start");
  experiment.solver->start(experiment.problem, random);
  train(*experiment.solver, experiment.problem, experiment.train, experiment.evaluator());
  const Solution solution = learned(*experiment.solver, experiment.problem);
  const Tensor made_points = solution.map->transport(source.train->sample(20000, random));
  ASSERT_EQ(made_points.sizes(), (at::IntArrayRef{20000, 8}));
  const Tensor rows = data->rows();
  const double scale = rows.std(0).mean().item<double>();
  EXPECT_LT((made_points.mean(0) - rows.mean(0)).abs().max().item<double>(), 0.1 * scale);
  const Tensor gap = made_points.t().cov() - rows.t().cov();
  EXPECT_LT(gap.abs().max().item<double>(), 0.15 * rows.t().cov().max().item<double>());
  EXPECT_EQ(solution.inverse->transport(rows).size(1), 2);
  bool judged = false;
  for (const EvaluatedFigure& figure :
       evaluate_splits(solution, experiment.source, experiment.target, 200, 0))
    judged = judged || figure.name == "latent_energy_distance";
  EXPECT_TRUE(judged);
}

TEST(LatentSpace, MeasuresAndSolversThatDoNotFitAreRefusedBeforeTraining) {
  const auto data = std::make_shared<ArrayMeasure>(near_plane(300));
  const auto refused = [&](const std::string& text, std::int64_t dimension) {
    const auto noise = standard_normal(dimension);
    return error_text([&] { build_experiment(generation(text), {noise, noise}, {data, data}); });
  };
  const std::string latent = "[latent]\nkind = \"vae\"\nsteps = 1000000000\n";
  EXPECT_EQ(
      refused(latent + "dimension = 3\n", 2),
      "source and target: expected points of one shape, or one of them of the latent dimension "
      "3, got [2] and [8]");
  expect_message(refused(latent + "dimension = 2\n[solver]\nbatch = -1\n", 2),
                 "solver.batch: expected ");
  expect_message(refused(latent + "dimension = 2\n[smoothing]\nkind = \"variance_preserving\"\n"
                                  "level = 2\n",
                         2),
                 "smoothing: expected levels below 1");
  expect_message(refused("[latent]\nfile = \"/nowhere\"\n", 2), "/nowhere");
  EXPECT_EQ(refused("", 2),
            "source and target: expected points of the same dimension, got 2 and 8");
}

}  // namespace
}  // namespace monge
