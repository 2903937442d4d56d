# How every target of the suite is compiled.

add_library(posta_flags INTERFACE)
target_compile_definitions(posta_flags INTERFACE _GNU_SOURCE POSTA_VERSION="${PROJECT_VERSION}")
target_include_directories(posta_flags INTERFACE ${CMAKE_SOURCE_DIR}/lib)
target_compile_options(posta_flags INTERFACE
	-Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wmissing-prototypes
	-fstack-protector-strong -fstack-clash-protection -fno-common -fno-strict-aliasing)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|i.86")
	target_compile_options(posta_flags INTERFACE -fcf-protection)
endif()
target_link_options(posta_flags INTERFACE -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
if(CMAKE_C_COMPILER_ID STREQUAL "Clang") # gcc judges these with fewer false alarms
	target_compile_options(posta_flags INTERFACE
		-Wno-missing-field-initializers -Wno-sign-conversion -Wno-string-concatenation)
endif()
if(POSTA_WERROR)
	target_compile_options(posta_flags INTERFACE -Werror)
endif()
if(POSTA_SANITIZE)
	target_compile_options(posta_flags INTERFACE -O1 -g1 -fsanitize=address,undefined
		-fno-sanitize-recover=all -fno-omit-frame-pointer)
	target_link_options(posta_flags INTERFACE -fsanitize=address,undefined)
	target_compile_definitions(posta_flags INTERFACE POSTA_SANITIZE)
else()
	target_compile_options(posta_flags INTERFACE $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
endif()
# A task has a stack of 128 KiB, which a chain of small frames does not use up, and a guard of 64 KiB
# below it, which no frame steps over. Sanitizers make frames larger, tests do what they like.
if(NOT POSTA_SANITIZE)
	target_compile_options(posta_flags INTERFACE
		$<$<NOT:$<BOOL:$<TARGET_PROPERTY:POSTA_IS_TEST>>>:-Wframe-larger-than=4096>)
endif()
if(POSTA_FUZZ)
	target_compile_options(posta_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# posta_library(NAME SOURCES... LINKS LIBRARY...): a room under lib/.
function(posta_library name)
	cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
	add_library(posta_${name} STATIC ${arg_UNPARSED_ARGUMENTS})
	target_link_libraries(posta_${name} PUBLIC posta_flags ${arg_LINKS})
endfunction()

# posta_program(NAME SOURCES... LINKS LIBRARY...): a daemon, run by master from libexec/posta.
function(posta_program name)
	cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
	add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
	target_link_libraries(${name} PRIVATE posta_flags ${arg_LINKS})
	set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
	install(TARGETS ${name} RUNTIME DESTINATION libexec/posta)
endfunction()

# posta_simple_program(FOLDER): a program of all files of its folder that needs no more than all do.
function(posta_simple_program folder)
	file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.c)
	posta_program(${folder} ${sources}
		LINKS posta_daemon posta_services posta_ipc posta_conf posta_task posta_base)
endfunction()

# posta_test(NAME SOURCES... LINKS LIBRARY...): a cmocka test under ctest.
function(posta_test name)
	cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
	add_executable(test_${name} ${arg_UNPARSED_ARGUMENTS})
	target_link_libraries(test_${name} PRIVATE posta_flags ${arg_LINKS} cmocka)
	set_target_properties(test_${name} PROPERTIES
		POSTA_IS_TEST ON
		RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
	add_test(NAME ${name} COMMAND test_${name})
	set_tests_properties(${name} PROPERTIES TIMEOUT 300)
endfunction()

# posta_fuzz(NAME SOURCES... LINKS LIBRARY...): a libFuzzer target, seeds in tests/fuzz/corpus/NAME.
function(posta_fuzz name)
	if(NOT POSTA_FUZZ)
		return()
	endif()
	cmake_parse_arguments(arg "" "" "LINKS" ${ARGN})
	add_executable(fuzz_${name} EXCLUDE_FROM_ALL ${arg_UNPARSED_ARGUMENTS})
	if(NOT TARGET fuzzers)
		add_custom_target(fuzzers)
	endif()
	add_dependencies(fuzzers fuzz_${name})
	target_link_libraries(fuzz_${name} PRIVATE posta_flags ${arg_LINKS})
	target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
	set_target_properties(fuzz_${name} PROPERTIES
		RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
endfunction()
