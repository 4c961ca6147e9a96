# monge_report_files: an object library that holds the files of the report page (template, style,
# script, Plotly's script) and the weights of the offline image features, so that an installed program
# has nothing to find at run time.
#
# Input: MONGE_PLOTLY_JS, by default the script of the `plotly` Python package that is installed
# beside torch.
include_guard(GLOBAL)
enable_language(ASM)

if(NOT MONGE_PLOTLY_JS)
  set(MONGE_PLOTLY_JS "${MONGE_TORCH_DIR}/../plotly/package_data/plotly.min.js")
endif()
if(NOT EXISTS "${MONGE_PLOTLY_JS}")
  message(FATAL_ERROR "Plotly's script not found: install the Python package plotly beside torch, or "
                      "set MONGE_PLOTLY_JS to a plotly.min.js, got '${MONGE_PLOTLY_JS}'")
endif()
file(REAL_PATH "${MONGE_PLOTLY_JS}" MONGE_PLOTLY_JS)
set(MONGE_PLOTLY_JS "${MONGE_PLOTLY_JS}" CACHE FILEPATH "Plotly's script for reports" FORCE)

add_library(monge_report_files OBJECT)

# The bytes of `path` between the symbols monge_<name>_begin and monge_<name>_end.
function(monge_embed name path)
  set(source "${CMAKE_CURRENT_BINARY_DIR}/embedded/${name}.s")
  configure_file(cmake/embedded.s.in "${source}" @ONLY)
  set_source_files_properties("${source}" PROPERTIES OBJECT_DEPENDS "${path}")
  target_sources(monge_report_files PRIVATE "${source}")
endfunction()

monge_embed(page_html "${CMAKE_CURRENT_SOURCE_DIR}/src/report/page.html")
monge_embed(page_css "${CMAKE_CURRENT_SOURCE_DIR}/src/report/page.css")
monge_embed(page_js "${CMAKE_CURRENT_SOURCE_DIR}/src/report/page.js")
monge_embed(plotly_js "${MONGE_PLOTLY_JS}")
monge_embed(fashion_mnist "${CMAKE_CURRENT_SOURCE_DIR}/src/features/fashion_mnist.safetensors")
