#pragma once

#include "monge/experiment.h"
#include "monge/report.h"

#include <string>
#include <vector>

namespace monge {

/// "cells.h5ad, day = 2": a location in an AnnData file as a title shows it.
std::string cells_title(const std::string& location);

/// What a report says of a run between cells of AnnData files: how many there are by condition, how
/// far the source is from the target before and after the map, and the features whose means change
/// most. Nothing where the source and the target are others.
std::vector<ReportTable> cell_tables(const Config& config, const Solution& solution,
                                     const Split& source, const Split& target);

}  // namespace monge
