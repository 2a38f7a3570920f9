# How every target of the project is made. Three kinds of library:
#   qcc_add_library(NAME SOURCES...)   compiler code over MLIR; its headers are precompiled
#   qcc_add_plain_library(NAME ...)    code that knows nothing of MLIR, optimised fully
#   qcc_add_unittest(NAME [PLAIN] SOURCES... LIBS ...)  a GoogleTest binary; PLAIN: knows nothing of MLIR

set(QCC_SANITIZE "" CACHE STRING "Sanitizers for the whole build, e.g. address,undefined")

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(qcc_flags INTERFACE)
target_compile_options(qcc_flags INTERFACE
  -Wall -Wextra -Wno-unused-parameter $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>)
if(QCC_SANITIZE)
  # Calls through pointers lead into generated code, in front of which no type is written.
  target_compile_options(qcc_flags INTERFACE -fsanitize=${QCC_SANITIZE} -fno-sanitize=vptr,function
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(qcc_flags INTERFACE -fsanitize=${QCC_SANITIZE})
endif()
target_link_options(qcc_flags INTERFACE -fuse-ld=lld)

# LLVM and MLIR headers are the whole cost of a compile: -O1 keeps the tools quick enough and the
# build short. What must be fast lives in plain libraries.
add_library(qcc_mlir_flags INTERFACE)
target_link_libraries(qcc_mlir_flags INTERFACE qcc_flags)
target_include_directories(qcc_mlir_flags SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
target_include_directories(qcc_mlir_flags INTERFACE
  ${CMAKE_SOURCE_DIR}/include ${CMAKE_BINARY_DIR}/include
  ${CMAKE_SOURCE_DIR}/dialects ${CMAKE_BINARY_DIR}/dialects
  ${CMAKE_SOURCE_DIR}/runtime/include)
target_compile_options(qcc_mlir_flags INTERFACE -O1)
# A precompiled header without its time is the same for every build, so that ccache finds it again.
target_compile_options(qcc_mlir_flags INTERFACE "SHELL:-Xclang -fno-pch-timestamp")

# Headers are parsed once: dialects/Pch says which.
function(qcc_precompiled name headers)
  target_compile_options(${name} PRIVATE -fPIC) # also in executables, as the headers were
  target_precompile_headers(${name} REUSE_FROM ${headers})
endfunction()

function(qcc_add_library name)
  add_library(${name} STATIC ${ARGN})
  target_link_libraries(${name} PUBLIC qcc_mlir_flags)
  if(name MATCHES "^Qcc(Qnt|Tile)$") # the dialects wait for their own tables only
    qcc_precompiled(${name} QccPch)
  else()
    qcc_precompiled(${name} QccDialectsPch)
    add_dependencies(${name} qcc_tablegen)
  endif()
endfunction()

function(qcc_add_plain_library name)
  add_library(${name} STATIC ${ARGN})
  target_link_libraries(${name} PUBLIC qcc_flags)
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/runtime/include)
  target_compile_options(${name} PRIVATE -O3)
endfunction()

# Tables of a stage's passes: include/qcc/<Stage>/Passes.td -> build/include/qcc/<Stage>/Passes.h.inc.
function(qcc_add_passes stage)
  set(LLVM_TARGET_DEFINITIONS ${CMAKE_SOURCE_DIR}/include/qcc/${stage}/Passes.td)
  include_directories(SYSTEM ${MLIR_INCLUDE_DIRS})
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/include/qcc/${stage})
  mlir_tablegen(Passes.h.inc -gen-pass-decls -name Qcc${stage})
  add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/include/qcc/${stage}/Passes.h.inc
    COMMAND ${CMAKE_COMMAND} -E copy_if_different ${CMAKE_CURRENT_BINARY_DIR}/Passes.h.inc
            ${CMAKE_BINARY_DIR}/include/qcc/${stage}/Passes.h.inc
    DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/Passes.h.inc)
  add_custom_target(Qcc${stage}Passes DEPENDS ${CMAKE_BINARY_DIR}/include/qcc/${stage}/Passes.h.inc)
endfunction()

# Binaries over MLIR share the one MLIR and LLVM library of the distribution.
function(qcc_link_mlir name)
  target_link_libraries(${name} PRIVATE ${ARGN} MLIR LLVM)
endfunction()

set_property(GLOBAL PROPERTY QCC_UNITTESTS "")
function(qcc_add_unittest name)
  cmake_parse_arguments(T "PLAIN" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} EXCLUDE_FROM_ALL ${T_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/unit)
  target_link_libraries(${name} PRIVATE ${T_LIBS} GTest::gtest GTest::gtest_main Threads::Threads)
  target_compile_options(${name} PRIVATE -O1)
  if(NOT T_PLAIN)
    qcc_precompiled(${name} QccTestsPch)
  endif()
  set_property(GLOBAL APPEND PROPERTY QCC_UNITTESTS ${name})
endfunction()
