# Defines the imported target monge::torch from the libtorch inside a Python
# environment's torch wheel. Torch's own package is not used because a wheel
# built for CUDA makes it demand a CUDA toolkit that a CPU machine lacks.
#
# Input: MONGE_TORCH_DIR, the folder of the torch package, or a Python3 on the
# path that can import torch.
include_guard(GLOBAL)

if(NOT MONGE_TORCH_DIR)
  find_package(Python3 QUIET COMPONENTS Interpreter)
  if(Python3_FOUND)
    execute_process(
      COMMAND "${Python3_EXECUTABLE}" -c
              "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
      OUTPUT_VARIABLE MONGE_TORCH_DIR
      OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
endif()
if(NOT EXISTS "${MONGE_TORCH_DIR}/include/ATen/core/Tensor.h")
  message(FATAL_ERROR "libtorch not found: set MONGE_TORCH_DIR to the folder of the torch package "
                      "(python -c 'import torch; print(torch.__path__[0])'), got '${MONGE_TORCH_DIR}'")
endif()
set(MONGE_TORCH_DIR "${MONGE_TORCH_DIR}" CACHE PATH "folder of the torch Python package" FORCE)

add_library(monge_torch INTERFACE)
add_library(monge::torch ALIAS monge_torch)
target_include_directories(monge_torch SYSTEM INTERFACE
  "${MONGE_TORCH_DIR}/include" "${MONGE_TORCH_DIR}/include/torch/csrc/api/include")
target_compile_features(monge_torch INTERFACE cxx_std_20)
target_link_directories(monge_torch INTERFACE "${MONGE_TORCH_DIR}/lib")
# A wheel finds libtorch beside itself wherever it is installed; only its build tree names the folder.
if(MONGE_BUILD_PYTHON)
  set(CMAKE_BUILD_RPATH "${MONGE_TORCH_DIR}/lib")
else()
  target_link_options(monge_torch INTERFACE "-Wl,-rpath,${MONGE_TORCH_DIR}/lib")
endif()
# at::parallel_for is a template: it runs on one thread where its caller is compiled without OpenMP.
# The runtime is the one that libtorch brings; a second one would fight it for the cores.
add_library(monge_openmp INTERFACE)
target_compile_options(monge_openmp INTERFACE -fopenmp)
if(EXISTS "${MONGE_TORCH_DIR}/lib/libgomp.so.1")
  target_link_libraries(monge_openmp INTERFACE "${MONGE_TORCH_DIR}/lib/libgomp.so.1")
else()
  target_link_options(monge_openmp INTERFACE -fopenmp)
endif()
# The CUDA library registers its kernels when loaded, so it is kept although no symbol is used.
if(EXISTS "${MONGE_TORCH_DIR}/lib/libtorch_cuda.so")
  target_link_libraries(monge_torch INTERFACE
    "-Wl,--push-state,--no-as-needed" torch torch_cpu torch_cuda c10 c10_cuda "-Wl,--pop-state")
else()
  target_link_libraries(monge_torch INTERFACE torch_cpu c10)
endif()
