# What `cmake --install` puts into place: the library, the program, the public headers by name, and a
# package that find_package(monge) finds.
include(CMakePackageConfigHelpers)

set(MONGE_PUBLIC_HEADERS
  adam.h affine.h affine_span.h arrays.h average_map.h cells.h check_gradients.h colour_space.h conditional.h config.h conjugate.h cost.h density.h
  differentiable.h discrete.h error.h events.h experiment.h features.h fid.h files.h frozen.h image.h image_brenier_map.h latent_map.h latent_stage.h log.h map_file.h
  map_images.h measure.h metric.h mixture_plan.h moments.h
  network_map.h noise_levels.h options.h
  plan_check.h potential.h process_group.h progress.h random.h registry.h
  report.h run.h safetensors.h sampler.h smoothing.h solver.h tensor.h trainer.h transport_map.h unet_map.h
  measures/array.h measures/crops.h measures/file.h measures/gaussian.h measures/gaussian_mixture.h measures/images.h measures/prefetching.h
  measures/pushforward.h measures/registry.h measures/shapes.h measures/sheet.h measures/uniform.h
  networks/autoencoder.h networks/conv_icnn.h networks/dense_icnn.h networks/image_network.h networks/mlp.h networks/network.h
  networks/noised_mlp.h networks/noised_resnet_critic.h networks/resnet_critic.h networks/song_unet.h networks/unet.h
  solvers/adversarial.h solvers/autoencoder_fit.h solvers/dual.h solvers/image_saddle_point.h solvers/light_sb.h solvers/regularized_dual.h
  solvers/saddle_point.h solvers/w2gn.h)
foreach(header IN LISTS MONGE_PUBLIC_HEADERS)
  get_filename_component(folder "${header}" DIRECTORY)
  install(FILES include/monge/${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/monge/${folder})
endforeach()

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
