#include "monge/cells.h"

#include "monge/random.h"

#include "cells/cell_file.h"
#include "error_text.h"
#include "temporary_folder.h"

namespace monge {
namespace {

std::vector<std::string> texts_of(const CellSelection& selection) {
  std::vector<std::string> texts;
  for (const auto& [column, value] : selection.conditions)
    texts.push_back(fmt::format("{}|{}", column, value));
  return texts;
}

TEST(Cells, LocationsAreTakenApart) {
  EXPECT_TRUE(is_cells_location("cells.h5ad"));
  EXPECT_TRUE(is_cells_location("a/cells.H5AD:obsm/X_pca:day=2"));
  EXPECT_FALSE(is_cells_location("cells.npz:X_pca"));
  EXPECT_FALSE(is_cells_location("cells"));
  using Texts = std::vector<std::string>;
  const CellSelection all = parse_selection("");
  EXPECT_TRUE(all.conditions.empty());
  const CellSelection one = parse_selection("obsm/X_pca:day=2:cell type=T cell: CD4=yes:donor=A");
  EXPECT_EQ(one.matrix, "obsm/X_pca");
  EXPECT_EQ(texts_of(one), (Texts{"day|2", "cell type|T cell", " CD4|yes", "donor|A"}));
  const CellSelection colons = parse_selection("time=12:30:day=2");
  EXPECT_FALSE(colons.matrix);
  EXPECT_EQ(texts_of(colons), (Texts{"time|12:30", "day|2"}));
}

TEST(Cells, RowsWithoutOriginComeBackInPieces) {
  const TemporaryFolder folder;
  const Tensor rows = Random(3, "rows").normal({700, 3});
  const auto writer = create_array(folder / "a.h5ad", 3, Existing::keep);
  for (const std::int64_t from : {0, 300, 301}) {
    const std::int64_t to = from == 0 ? 300 : from == 300 ? 301 : 700;
    writer->append(rows.narrow(0, from, to - from));
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "a.h5ad"));
  writer->close();
  const std::string location = (folder / "a.h5ad").string();
  EXPECT_TRUE(at::equal(read_array(location), rows));
  expect_message(error_text([&] { open_array(location + ":Y"); }),
                 "one of the matrices 'X', got 'Y'");
  expect_message(error_text([&] { open_array(location + ":day=1"); }), "one of the columns of obs");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(Cells, WhatIsNotWrittenLeavesNothing) {
  const TemporaryFolder folder;
  {
    const auto writer = create_cells(folder / "a.h5ad", 2, "", Existing::keep);
    writer->append(at::zeros({5, 2}));
  }
  EXPECT_EQ(folder.entries(), 0);
  expect_message(
      error_text([&] { create_array(folder / "a.h5ad", RowFormat{{2, 2}}, Existing::keep); }),
      "rows of float32 numbers for an AnnData file");
}

TEST(Cells, RowsForCellsAreCounted) {
  const TemporaryFolder folder;
  const std::string origin = (folder / "a.h5ad").string();
  const auto writer = create_cells(origin, 2, "", Existing::keep);
  writer->append(at::ones({5, 2}));
  writer->close();
  const auto fewer = create_cells(folder / "b.h5ad", 2, origin, Existing::keep);
  fewer->append(at::ones({4, 2}));
  expect_message(error_text([&] { fewer->close(); }), "expected 5 rows, one for each cell, got 4");
  EXPECT_FALSE(std::filesystem::exists(folder / "b.h5ad"));
}

TEST(Cells, EqualRowsAreEqualBytes) {
  const TemporaryFolder folder;
  for (const char* name : {"a.h5ad", "b.h5ad"}) {
    const auto writer = create_cells(folder / name, 4, "", Existing::keep);
    writer->append(Random(1, "rows").normal({50, 4}));
    writer->close();
  }
  EXPECT_EQ(read_text(folder / "a.h5ad"), read_text(folder / "b.h5ad"));
}

TEST(Cells, AFileThatIsCutOffAnywhereIsRefused) {
  const TemporaryFolder folder;
  const auto path = folder / "a.h5ad";
  const auto writer = create_cells(path, 4, "", Existing::keep);
  writer->append(Random(1, "rows").normal({50, 4}));
  writer->close();
  const std::string whole = read_text(path);
  const auto opened = [&](const std::string& bytes) {
    write_text(folder / "b.h5ad", bytes);
    return error_text([&] { read_array((folder / "b.h5ad").string()); });
  };
  EXPECT_EQ(opened(whole), "");
  expect_message(opened("text"), "b.h5ad: expected an HDF5 file, got");
  for (std::size_t length = 0; length < whole.size(); length += whole.size() / 40)
    expect_message(opened(whole.substr(0, length)), "b.h5ad: expected an HDF5 file, got");
}

}  // namespace
}  // namespace monge
