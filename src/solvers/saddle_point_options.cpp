#include "monge/solvers/saddle_point.h"

namespace monge {

const Declaration<SaddlePointOptions>& saddle_point_declaration() {
  using O = SaddlePointOptions;
  static const auto declaration =
      Declaration<O>(
          "solver", "saddle_point",
          "Max–min optimal transport: a map and a potential against each other, for "
          "strong and weak quadratic costs, deterministic or with noise; of images where "
          "the network is resnet_critic or noised_resnet_critic.",
          "Neural Optimal Transport (Korotin et al. 2023), algorithm 1; with "
          "input-convex networks Makkuva et al. 2020, eq. 11")
          .option("map", &O::map,
                  "What the map is: a free network of x and z, or a gradient, that of an "
                  "input-convex network or x - ∇u(x) of a perceptron u; auto: the gradient where "
                  "the potential is input-convex.",
                  one_of({"auto", "network", "gradient"}))
          .option("residual", &O::residual, "Adds x to the output of a free network.")
          .option("map_hidden", &O::map_hidden,
                  "Widths of the map's network; empty: those of the potential.", between(1, 65536))
          .option("map_activation", &O::map_activation,
                  "What stands between the layers of the map's perceptron.",
                  one_of({"relu", "leaky_relu", "celu", "elu", "silu"}))
          .option("noise_dimension", &O::noise_dimension,
                  "Dimension of the noise z of T(x, z); 0: a deterministic map.", between(0, 65536))
          .option("noise_samples", &O::noise_samples,
                  "|Z|, noise samples of each x in a step; a weak cost needs at least 2.",
                  between(1, 65536))
          .option("inner_steps", &O::inner_steps,
                  "k_T, steps of the map for each step of the potential.", between(1, 10000))
          .option("batch", &O::batch, "Points of each measure in a step; 0: by dimension.",
                  between(0, 1 << 20))
          .option("learning_rate", &O::learning_rate,
                  "Adam's learning rate at its peak; 0: chosen by the network.", between(0, 1))
          .option("potential_learning_rate", &O::potential_learning_rate,
                  "That of the potential; 0: the same.", between(0, 1))
          .option("beta1", &O::beta1, "Adam's decay of the first moment.", between(0, 0.9999))
          .option("beta2", &O::beta2, "Adam's decay of the second moment.", between(0, 0.999999))
          .option("average", &O::average,
                  "Decay of the exponential average of the map's parameters, which is what the "
                  "solution uses; 0: the parameters themselves.",
                  between(0, 0.999999))
          .option("convexity", &O::convexity,
                  "How the network of an input-convex map is kept convex: its weights clamped, or "
                  "negative ones penalised (Makkuva et al. 2020, eq. 8).",
                  one_of({"clamp", "penalty"}))
          .option("convexity_weight", &O::convexity_weight,
                  "lambda of that penalty, lambda · Σ max(-w, 0)².", at_least(0))
          .option("expectile_weight", &O::expectile_weight,
                  "Weight of the expectile regulariser on the potential (Buzun et al. 2024, ENOT); "
                  "0: none.",
                  at_least(0))
          .option("expectile", &O::expectile, "tau of the expectile regulariser.",
                  between(0.5, 0.9999))
          .option("bidirectional", &O::bidirectional,
                  "Every step also plays the networks with their roles changed, for the map back; "
                  "for maps that are gradients (ENOT).")
          .option("start", &O::start,
                  "For vectors: the coordinates to learn in, those of the optimal affine map of "
                  "the samples' moments, in the span of a target of lower dimension, or the "
                  "points' own; auto: the first with an input-convex potential. With a free one "
                  "the first takes the quadratic cost and maps without noise.",
                  one_of({"auto", "affine", "identity"}))
          .option("map_network", &O::map_network,
                  "For images: the map's network, NOT's UNet or the one of NCSN++ (Song et al. "
                  "2021).",
                  one_of({"unet", "song_unet"}))
          .option("map_width", &O::map_width, "For images: channels of that network at full size.",
                  between(1, 1024))
          .option("map_multipliers", &O::map_multipliers,
                  "Of song_unet: what multiplies them at full size and after every halving.",
                  between(1, 16))
          .option("map_blocks", &O::map_blocks,
                  "Of song_unet: residual blocks at each side on the way down.", between(1, 16))
          .option("map_attention", &O::map_attention,
                  "Of song_unet: the side in pixels at which blocks are followed by attention; 0: "
                  "none.",
                  between(0, 1024))
          .option("noise_channels", &O::noise_channels,
                  "For images: channels of noise z that follow an image's own in T(x, z); 0: a "
                  "deterministic map.",
                  between(0, 1024))
          .option("noise_scale", &O::noise_scale,
                  "For images: what that standard normal noise is multiplied by.", above(0))
          .option(
              "cost_scale", &O::cost_scale,
              "For images: what the cost is multiplied by, and with it the potential; 0: 2 / d, "
              "which makes it the mean squared difference of the pixels.",
              at_least(0))
          .option("micro_batch", &O::micro_batch,
                  "For images: how many pass through the networks together, all noise samples of a "
                  "point at least, and are normalised together; 0: all of a batch.",
                  between(0, 1 << 20))
          .option("device", &O::device,
                  "For images: where the networks are trained, the processor or, experimental, the "
                  "CUDA GPU.",
                  one_of({"cpu", "cuda"}))
          .option("precision", &O::precision,
                  "For images: that of the networks' convolutions and products; parameters, sums "
                  "and cost are float32. float16 takes a GPU, bfloat16 a GPU or a processor that "
                  "has it: without AVX512_BF16 or AMX it is slower than float32.",
                  one_of({"float32", "bfloat16", "float16"}));
  return declaration;
}

std::int64_t saddle_point_usual_steps(std::int64_t dimension) {
  return dimension <= 8 ? 20000 : 5000;
}

}  // namespace monge
