# The target libsodium: the system's, or the one unpacked in WARREN_LIBSODIUM, a directory that has include/
# and lib/ or usr/include/ and usr/lib/ in it. Of that one the static library is taken where there is one.
set(WARREN_LIBSODIUM "" CACHE PATH "An unpacked libsodium to use instead of the system's")

add_library(libsodium INTERFACE)
if(NOT WARREN_LIBSODIUM)
	pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium>=1.0.18)
	target_link_libraries(libsodium INTERFACE PkgConfig::SODIUM)
	message(STATUS "libsodium ${SODIUM_VERSION}, the system's")
	return()
endif()

# Looked for each time: the directory may be another one than the last time.
unset(WARREN_SODIUM_INCLUDE CACHE)
unset(WARREN_SODIUM_LIBRARY CACHE)
find_path(WARREN_SODIUM_INCLUDE sodium/version.h PATHS ${WARREN_LIBSODIUM}
	PATH_SUFFIXES include usr/include NO_DEFAULT_PATH REQUIRED)
find_library(WARREN_SODIUM_LIBRARY NAMES libsodium.a sodium PATHS ${WARREN_LIBSODIUM}
	PATH_SUFFIXES lib usr/lib lib/${CMAKE_LIBRARY_ARCHITECTURE} usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}
	NO_DEFAULT_PATH REQUIRED)
mark_as_advanced(WARREN_SODIUM_INCLUDE WARREN_SODIUM_LIBRARY)

file(STRINGS ${WARREN_SODIUM_INCLUDE}/sodium/version.h version REGEX "define SODIUM_VERSION_STRING")
string(REGEX REPLACE ".*\"(.*)\".*" "\\1" WARREN_SODIUM_VERSION "${version}")
if(WARREN_SODIUM_VERSION VERSION_LESS 1.0.18)
	message(FATAL_ERROR "libsodium ${WARREN_SODIUM_VERSION} in ${WARREN_LIBSODIUM}: expected 1.0.18 or newer")
endif()
find_package(Threads REQUIRED)
target_include_directories(libsodium SYSTEM INTERFACE ${WARREN_SODIUM_INCLUDE})
target_link_libraries(libsodium INTERFACE ${WARREN_SODIUM_LIBRARY} Threads::Threads)
message(STATUS "libsodium ${WARREN_SODIUM_VERSION}: ${WARREN_SODIUM_LIBRARY}")
