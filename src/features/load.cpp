#include "monge/error.h"
#include "monge/features.h"

#include "features/inception.h"
#include "features/perceptual.h"

namespace monge {

std::shared_ptr<const FeatureNetwork> load_features(const std::filesystem::path& path) {
  return features::inception_features(
      features::Weights(read_safetensors(path), path.string(), features::inception_network));
}

std::shared_ptr<const PerceptualDistance> load_perceptual(const std::filesystem::path& path) {
  TensorFile file = read_safetensors(path);
  const std::string network = features::network_of(file);
  const features::Trunk* trunk = features::find_trunk(network);
  if (!trunk)
    fail(path.string(), "weights of lpips_alex or lpips_vgg",
         network.empty() ? "weights of no named network" : "those of " + network);
  return features::lpips(*trunk, features::Weights(std::move(file), path.string(), network));
}

}  // namespace monge
