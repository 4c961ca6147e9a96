# What `cmake --install` puts into place: the library, the program, the public headers, and a
# package that find_package(monge) finds.
include(CMakePackageConfigHelpers)

# Every header below include/ is public: those of the library alone lie beside their sources.
install(DIRECTORY include/monge DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

set(monge_rpath "${MONGE_TORCH_DIR}/lib")
set_target_properties(monge PROPERTIES INSTALL_RPATH "${monge_rpath}" SOVERSION ${PROJECT_VERSION_MAJOR})
set_target_properties(monge_cli PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR};${monge_rpath}")
install(TARGETS monge EXPORT monge-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS monge_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/monge)
install(EXPORT monge-targets NAMESPACE monge:: DESTINATION ${package})
install(FILES cmake/MongeTorch.cmake DESTINATION ${package})
configure_package_config_file(cmake/monge-config.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/monge-config.cmake
  INSTALL_DESTINATION ${package})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/monge-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/monge-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/monge-config-version.cmake DESTINATION ${package})
