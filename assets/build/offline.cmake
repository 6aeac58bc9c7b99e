# Read by every CMake build under cargo (see .cargo/config.toml). espeak-ng's build clones libsonic when it is not
# told where it is; neither libsonic nor libpcaudio is wanted here, and nothing may be fetched while building.
set(SONIC_LIB "unused" CACHE STRING "" FORCE)
set(SONIC_INC "unused" CACHE STRING "" FORCE)
set(USE_LIBSONIC OFF CACHE BOOL "" FORCE)
set(USE_LIBPCAUDIO OFF CACHE BOOL "" FORCE)
