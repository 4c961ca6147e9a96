#pragma once

#include "monge/colour_space.h"
#include "monge/files.h"
#include "monge/solver.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace monge {

class AutogradNetwork;
class Autoencoder;

/// Writes the maps of a solution to a safetensors file that load_map reads anywhere. `notes` are
/// kept as text in its metadata ("solver", "seed", "step", ...). Of a map that is a caller's
/// network the file holds the parameters and buffers, and not what it computes.
void save_map(const std::filesystem::path& path, const Solution& solution,
              const std::map<std::string, std::string>& notes,
              Existing existing = Existing::replace);

struct LoadedMap {
  Solution solution;
  std::map<std::string, std::string> notes;

  /// The shape of the points: that of the map, or where it is of plain points the note "shape"
  /// ("3x64x64"), so that a map between rows of pixels is known to move images.
  std::vector<std::int64_t> shape() const;
  /// Whether it moves crops of photographs, by the note "source": a whole one goes tile by tile.
  bool of_crops() const;
  /// Of a map of crops: how many times larger than a photograph its result is, by the note
  /// "downscale"; 1 where there is none. Throws Error on a note that says nothing.
  std::int64_t downscale() const;
  /// Of a map of crops: whether it sees photographs without their colours, by the note "grey".
  bool grey() const;
  /// The space of the colours that it moves, by the note "space"; sRGB where there is none.
  ColourSpace colour_space() const;
};

/// The network whose parameters a map file holds where it is none of Monge's: from `inputs` numbers
/// to `outputs`, of a file with these notes.
using NetworkMaker = std::function<std::shared_ptr<AutogradNetwork>(
    std::int64_t inputs, std::int64_t outputs, const std::map<std::string, std::string>& notes)>;

/// Reads a map file. Nothing in it executes. Throws Error on a file that is not a map, of a newer
/// version, damaged, of an unknown network, or of a caller's one where none can be made.
LoadedMap load_map(const std::filesystem::path& path, const NetworkMaker& maker = {});

/// The autoencoder of a map through a latent space, from a map file, an autoencoder.safetensors or
/// a run directory. Throws Error as load_map() and where there is none.
std::shared_ptr<const Autoencoder> load_autoencoder(const std::filesystem::path& path);

/// Writes one, as the map file of its reconstruction D(E(x)).
void save_autoencoder(const std::filesystem::path& path,
                      const std::shared_ptr<const Autoencoder>& autoencoder);

}  // namespace monge
