#include "monge/networks/autoencoder.h"

#include "monge/error.h"

#include "features/images.h"
#include "networks/coder.h"

namespace monge {
namespace {

constexpr std::int64_t block_points = 512;  // points that pass together where nothing is recorded

bool has_channels(const std::vector<std::int64_t>& shape) { return shape.size() == 3; }

bool has_room(const std::vector<std::int64_t>& shape) {
  return has_channels(shape) && std::min(shape[1], shape[2]) >= networks::least_coded_side;
}

LatentOptions sized_for(LatentOptions options, const std::vector<std::int64_t>& shape) {
  if (options.architecture == "auto")
    options.architecture = has_room(shape) ? "convolutional" : "dense";
  return options;
}

void require_fit(const LatentOptions& options, const std::vector<std::int64_t>& shape,
                 std::int64_t dimension) {
  const std::string points = fmt::format("points of shape [{}]", fmt::join(shape, ", "));
  if (options.dimension >= dimension)
    fail("latent.dimension", fmt::format("less than the {} numbers of a point", dimension),
         fmt::format("{}", options.dimension));
  if (options.architecture == "convolutional" && !has_room(shape))
    fail("latent.architecture",
         fmt::format("dense, or images of at least {} pixels a side", networks::least_coded_side),
         fmt::format("convolutional for {}", points));
  if (options.reconstruction == "perceptual" &&
      !(has_channels(shape) && (shape[0] == 1 || shape[0] == 3)))
    fail("latent.reconstruction", "l2 or l1, or images of 1 or 3 channels",
         fmt::format("perceptual for {}", points));
  if (options.hidden.empty() && options.architecture == "dense")
    fail("latent.hidden", "the width of at least one layer", "none");
}

double root(double variance) { return variance > 0 ? std::sqrt(variance) : 1; }

/// Centre and scale by which the rows have mean 0 and a variance of 1 on average.
void set_moments(const Tensor& rows, Tensor& centre, Tensor& scale) {
  const Tensor points = rows.to(at::kDouble);
  centre.copy_(points.mean(0));
  scale.fill_(root(points.var(0, /*unbiased=*/false).mean().item<double>()));
}

}  // namespace

const Declaration<LatentOptions>& latent_declaration() {
  using O = LatentOptions;
  static const auto declaration =
      Declaration<O>("section", "latent",
                     "Transport in the latent space of an autoencoder, which is learned first: the "
                     "map is D(T(E(x))), or D(T(z)) where the source is of the latent dimension.",
                     "Korotin et al. 2021, section 5.2; Makkuva et al. 2020, section 4.4")
          .option("kind", &O::kind,
                  "none; an autoencoder; or a variational one, whose codes lie about as N(0, I).",
                  one_of({"none", "autoencoder", "vae"}))
          .option("file", &O::file,
                  "A run or map file whose autoencoder is taken, or an autoencoder.safetensors; "
                  "none: one is learned on the training points of both measures.")
          .option("architecture", &O::architecture,
                  "Convolutions of stride 2 or perceptrons; auto: convolutions for images.",
                  one_of({"auto", "convolutional", "dense"}))
          .option("dimension", &O::dimension, "Numbers of a code.", between(1, 65536))
          .option("hidden", &O::hidden,
                  "Widths of the encoder's hidden layers, and from the last to the first of the "
                  "decoder's; of perceptrons.",
                  between(1, 65536))
          .option("width", &O::width,
                  "Channels after the first halving of an image; each further one doubles them, up "
                  "to 8 times that many.",
                  between(1, 4096))
          .option("reconstruction", &O::reconstruction,
                  "What D(E(x)) is held to x by: half the squared distance, the sum of absolute "
                  "differences, or the former and the perceptual distance in the offline features.",
                  one_of({"l2", "l1", "perceptual"}))
          .option("perceptual_weight", &O::perceptual_weight,
                  "Weight of the perceptual distance for every number of a point.", at_least(0))
          .option("kl_weight", &O::kl_weight,
                  "Of a vae: weight of the divergence of a code's law from N(0, I).", at_least(0))
          .option("batch", &O::batch, "Points in a step, half of each measure.",
                  between(2, 1 << 20))
          .option("learning_rate", &O::learning_rate, "Adam's learning rate at its peak.",
                  between(0, 1))
          .option("steps", &O::steps, "Steps of its training, before those of the transport.",
                  between(1, 1e9));
  return declaration;
}

Autoencoder::Autoencoder(LatentOptions options, std::vector<std::int64_t> shape, Random& random)
    : options_(sized_for(std::move(options), shape)),
      shape_(std::move(shape)),
      dimension_(c10::multiply_integers(shape_)),
      centre_(at::zeros({dimension_})),
      scale_(at::ones({1})),
      code_centre_(at::zeros({options_.dimension})),
      code_scale_(at::ones({1})) {
  require_fit(options_, shape_, dimension_);
  const std::int64_t k = options_.dimension, outputs = variational() ? 2 * k : k;
  if (options_.architecture == "convolutional") {
    encoder_ = networks::convolutional_encoder(shape_, outputs, options_.width, random);
    decoder_ = networks::convolutional_decoder(k, shape_, options_.width, random);
  } else {
    const std::vector<std::int64_t> back(options_.hidden.rbegin(), options_.hidden.rend());
    encoder_ = networks::dense_coder(dimension_, outputs, options_.hidden, random);
    decoder_ = networks::dense_coder(k, dimension_, back, random);
  }
}

Autoencoder::~Autoencoder() = default;

void Autoencoder::require_rows(const Tensor& rows, std::int64_t columns, const char* what) const {
  if (rows.dim() != 2 || rows.size(1) != columns)
    fail("autoencoder", fmt::format("{} [n, {}]", what, columns), shape_text(rows));
}

Autoencoder::Code Autoencoder::code(const Tensor& x, Graph graph) const {
  require_rows(x, dimension_, "points");
  const at::AutoGradMode mode(graph == Graph::create);
  const Tensor out = encoder_->forward((x - centre_) / scale_, graph);
  if (!variational()) return {(out - code_centre_) / code_scale_, {}};
  const std::vector<Tensor> halves = out.chunk(2, 1);
  return {halves[0], halves[1]};
}

Tensor Autoencoder::encode(const Tensor& x, Graph graph) const {
  require_rows(x, dimension_, "points");
  if (graph == Graph::create) return code(x, graph).mean;
  return features::in_batches(x, block_points,
                              [this](const Tensor& some) { return code(some, Graph::none).mean; });
}

Tensor Autoencoder::decode(const Tensor& z, Graph graph) const {
  require_rows(z, options_.dimension, "codes");
  const at::AutoGradMode mode(graph == Graph::create);
  const auto decoded = [&](const Tensor& some) {
    const Tensor out = unclipped(some, graph);
    return of_images() ? out.clamp(-1, 1) : out;
  };
  return graph == Graph::create ? decoded(z) : features::in_batches(z, block_points, decoded);
}

Tensor Autoencoder::decode_unclipped(const Tensor& z) const {
  require_rows(z, options_.dimension, "codes");
  return unclipped(z, Graph::create);
}

Tensor Autoencoder::unclipped(const Tensor& z, Graph graph) const {
  const at::AutoGradMode mode(graph == Graph::create);
  return centre_ + scale_ * decoder_->forward(code_centre_ + code_scale_ * z, graph);
}

void Autoencoder::set_frame(const Tensor& x) {
  require_rows(x, dimension_, "points");
  set_moments(x, centre_, scale_);
}

void Autoencoder::standardise(const Tensor& x) {
  if (variational()) return;
  code_centre_.zero_();
  code_scale_.fill_(1);
  const Tensor codes = encode(x);
  set_moments(codes, code_centre_, code_scale_);
}

State Autoencoder::parameters() const {
  State state;
  insert_state(state, "encoder", encoder_->parameters());
  insert_state(state, "decoder", decoder_->parameters());
  return state;
}

State Autoencoder::statistics() const {
  return {{"centre", centre_},
          {"scale", scale_},
          {"code_centre", code_centre_},
          {"code_scale", code_scale_}};
}

State Autoencoder::state() const {
  State all = parameters();
  all.merge(statistics());
  return all;
}

Tensor Autoencoder::fingerprint() const {
  std::vector<double> sums;
  for (const auto& [name, tensor] : state())
    sums.push_back(tensor.detach().to(at::kDouble).square().sum().item<double>());
  return at::tensor(sums, at::kDouble);
}

}  // namespace monge
