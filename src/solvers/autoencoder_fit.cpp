#include "monge/solvers/autoencoder_fit.h"

#include "monge/features.h"
#include "monge/latent_map.h"

#include "solvers/exchange.h"

namespace monge {
namespace {

constexpr std::int64_t known = 1024;  // points of each side by which the data's scale is set

Tensor as_images(const Tensor& rows, const std::vector<std::int64_t>& shape) {
  return rows.view({rows.size(0), shape[0], shape[1], shape[2]});
}

}  // namespace

Tensor reconstruction_loss(const Autoencoder& autoencoder, const Tensor& x, const Tensor& decoded) {
  const LatentOptions& options = autoencoder.options();
  Tensor gap = decoded - x;
  if (!autoencoder.of_images()) gap = gap / autoencoder.statistics().at("scale");
  if (options.reconstruction == "l1") return gap.abs().sum(1);
  Tensor squares = 0.5 * gap.square().sum(1);
  if (options.reconstruction == "l2") return squares;
  const double weight = options.perceptual_weight * static_cast<double>(x.size(1));
  const auto& shape = autoencoder.shape();
  return squares + weight * offline_perceptual_loss(as_images(x, shape), as_images(decoded, shape));
}

Tensor code_divergence(const Autoencoder::Code& code) {
  return 0.5 * (code.mean.square() + code.log_variance.exp() - code.log_variance - 1).sum(1);
}

double reconstruction_error(const Tensor& x, const Tensor& decoded) {
  const auto sum_of = [](const Tensor& gap) {
    return gap.to(at::kDouble).square().sum().item<double>();
  };
  const double variance = sum_of(x - x.mean(0));
  return variance > 0 ? 100 * sum_of(x - decoded) / variance : 0;
}

AutoencoderFit::AutoencoderFit(std::shared_ptr<Autoencoder> autoencoder)
    : autoencoder_(std::move(autoencoder)),
      adam_(autoencoder_->parameters(), {.learning_rate = autoencoder_->options().learning_rate}),
      noise_(0, "codes") {}

Table AutoencoderFit::options() const {
  return latent_declaration().write(autoencoder_->options());
}

void AutoencoderFit::start(const Problem& problem, Random& random) {
  autoencoder_->set_frame(at::cat({problem.source.measure().sample(known, random),
                                   problem.target.measure().sample(known, random)}));
  const auto seed = random.integers(std::int64_t{1} << 62, 1).item<std::int64_t>();
  noise_ = Random(static_cast<std::uint64_t>(seed), "codes");
}

StepReport AutoencoderFit::step(Problem& problem, double rate) {
  const LatentOptions& options = autoencoder_->options();
  const std::int64_t half = options.batch / 2, k = options.dimension;
  const Tensor x = at::cat({problem.source.next(half), problem.target.next(half)});
  const at::AutoGradMode graph(true);
  const Autoencoder::Code code = autoencoder_->code(x, Graph::create);
  Tensor z = code.mean, divergence = at::zeros({1});
  if (autoencoder_->variational()) {
    const Tensor noise = noise_.normal({2, half, k});
    const Rows own = problem.group->rows_of(half);
    z = z +
        (0.5 * code.log_variance).exp() * noise.narrow(1, own.begin, own.count).reshape({-1, k});
    divergence = code_divergence(code);
  }
  const Tensor reconstruction =
      reconstruction_loss(*autoencoder_, x, autoencoder_->decode_unclipped(z)).mean();
  const Tensor loss = reconstruction + options.kl_weight * divergence.mean();
  const std::vector<Tensor> gradients = torch::autograd::grad({loss}, adam_.parameters());

  double first = reconstruction.item<double>(), second = divergence.mean().item<double>();
  Exchange(*problem.group, half).means(gradients).means({&first, &second}).run();
  StepReport report{.loss = first + options.kl_weight * second,
                    .gradient_norm = norm_of(gradients)};
  report.terms = {{"reconstruction", first}};
  if (autoencoder_->variational()) report.terms.emplace_back("divergence", second);
  report.finite = std::isfinite(report.loss) && std::isfinite(report.gradient_norm);
  if (report.finite) adam_.step(gradients, rate);
  return report;
}

Solution AutoencoderFit::solution() const { return {reconstruction_map(autoencoder_), nullptr}; }

State AutoencoderFit::state() const {
  State state{{"noise", noise_.state()}};
  insert_state(state, "autoencoder", autoencoder_->state());
  insert_state(state, "adam", adam_.state());
  return state;
}

void AutoencoderFit::restore(const State& state) {
  copy_parameters(autoencoder_->state(), extract_state(state, "autoencoder"), "autoencoder");
  adam_.restore(extract_state(state, "adam"));
  noise_.set_state(require_tensor(state, "noise", "autoencoder"));
}

}  // namespace monge
