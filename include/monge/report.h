#pragma once

#include "monge/files.h"
#include "monge/tensor.h"

#include <filesystem>
#include <string>
#include <vector>

namespace monge {

/// A row of the table of figures.
struct Figure {
  std::string name;     ///< "energy distance"
  std::string value;    ///< "0.0012"
  std::string meaning;  ///< one sentence: formula, direction, what is good
};

/// A line over steps.
struct Curve {
  std::string name;
  std::vector<double> steps;
  std::vector<double> values;
  bool logarithmic = false;
};

/// A cloud of points, [n, 2] or [n, 3]; `colours` [n, 3] in [0, 1] or undefined.
struct Cloud {
  std::string name;
  Tensor points;
  Tensor colours = {};
};

/// Clouds in one pair (or triple) of axes, side by side with the same limits.
struct Scatter {
  std::string title;
  std::vector<Cloud> clouds;
};

/// A table of texts.
struct ReportTable {
  std::string title;
  std::string note = {};  ///< one sentence
  std::vector<std::string> header = {};
  std::vector<std::vector<std::string>> rows = {};  ///< each as long as the header
};

struct Picture {
  std::string caption;
  std::string mime;  ///< "image/jpeg"
  std::string bytes;
};

/// A self-contained HTML page: opens offline, one file, the plotting script inside.
struct Report {
  std::string title;
  std::string summary = {};  ///< one or two sentences
  std::vector<Figure> figures = {};
  std::vector<Figure> plan_figures = {};  ///< of the plan check
  std::vector<ReportTable> tables = {};
  std::vector<Picture> pictures = {};
  std::vector<Scatter> scatters = {};
  std::vector<Curve> curves = {};
  std::string configuration = {};  ///< TOML text
};

void write_report(const std::filesystem::path& path, const Report& report,
                  Existing existing = Existing::replace);

}  // namespace monge
