#include "report/embedded.h"

extern "C" {
extern const char monge_page_html_begin[], monge_page_html_end[];
extern const char monge_page_css_begin[], monge_page_css_end[];
extern const char monge_page_js_begin[], monge_page_js_end[];
extern const char monge_plotly_js_begin[], monge_plotly_js_end[];
}

namespace monge::embedded {

std::string_view page_html() { return {monge_page_html_begin, monge_page_html_end}; }
std::string_view page_css() { return {monge_page_css_begin, monge_page_css_end}; }
std::string_view page_js() { return {monge_page_js_begin, monge_page_js_end}; }
std::string_view plotly_js() { return {monge_plotly_js_begin, monge_plotly_js_end}; }

}  // namespace monge::embedded
