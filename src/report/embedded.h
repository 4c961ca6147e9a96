#pragma once

#include <string_view>

/// The files of the report page, put into the library by cmake/MongeReportPage.cmake.
namespace monge::embedded {

std::string_view page_html();
std::string_view page_css();
std::string_view page_js();
std::string_view plotly_js();

}  // namespace monge::embedded
