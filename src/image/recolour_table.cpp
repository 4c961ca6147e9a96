#include "image/colour_set.h"
#include "image/evaluate.h"
#include "image/recolour.h"
#include "image/rows.h"

namespace monge::image {
namespace {

using vips::VImage;

/// What an encoder needs to recolour a region.
struct Table {
  ColourSet colours;
  std::vector<std::uint8_t> mapped;  ///< [colours.size(), 3]
};

std::unique_ptr<Table> make_table(const VImage& picture, const ColourFunction& map,
                                  const std::string& where) {
  auto table = std::make_unique<Table>();
  const std::int64_t bands = picture.bands();
  const std::int64_t end = bands * picture.width();
  for_each_row<std::uint8_t>(picture, [&](const std::uint8_t* row, int) {
    for (std::int64_t i = 0; i < end; i += bands)
      table->colours.insert(ColourSet::key(row[i], row[i + 1], row[i + 2]));
  });
  table->colours.seal();
  const std::vector<std::uint8_t> colours = table->colours.colours();
  table->mapped.resize(colours.size());
  evaluate_levels<std::uint8_t>(map, colours, table->mapped, where);
  return table;
}

int recolour_region(VipsRegion* out, void* sequence, void*, void* context, gboolean*) {
  auto* in = static_cast<VipsRegion*>(sequence);
  const auto& table = *static_cast<const Table*>(context);
  const VipsRect& area = out->valid;
  if (vips_region_prepare(in, &area) != 0) return -1;
  const int bands = in->im->Bands;
  for (int y = area.top; y < area.top + area.height; ++y) {
    const VipsPel* from = VIPS_REGION_ADDR(in, area.left, y);
    VipsPel* to = VIPS_REGION_ADDR(out, area.left, y);
    for (int x = 0; x < area.width; ++x, from += bands, to += bands) {
      const auto index = table.colours.index(ColourSet::key(from[0], from[1], from[2]));
      std::copy_n(table.mapped.data() + std::size_t{index} * 3, 3, to);
      if (bands == 4) to[3] = from[3];
    }
  }
  return 0;
}

void delete_table(void* table) { delete static_cast<Table*>(table); }

}  // namespace

VImage recolour_by_table(const VImage& picture, const ColourFunction& map,
                         const std::string& where) {
  VipsImage* in = picture.get_image();
  const VImage out(vips_image_new());
  Table* table = make_table(picture, map, where).release();
  g_object_set_data_full(G_OBJECT(out.get_image()), "monge-table", table, delete_table);
  if (vips_image_pipelinev(out.get_image(), VIPS_DEMAND_STYLE_THINSTRIP, in, nullptr) != 0 ||
      vips_image_generate(out.get_image(), vips_start_one, recolour_region, vips_stop_one, in,
                          table) != 0)
    throw vips::VError();
  return out;
}

}  // namespace monge::image
