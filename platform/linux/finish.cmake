# What CPack does between installing into its own directory and making the package of it: each distribution's
# names for the texts, compressed pages, and the time of the release on everything.
set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY})
set(doc ${root}/usr/share/doc/warren)

function(run)
	execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

if(CPACK_GENERATOR STREQUAL "DEB")
	file(COPY ${CPACK_WARREN_MADE}/copyright ${CPACK_WARREN_MADE}/changelog.Debian DESTINATION ${doc})
	file(RENAME ${doc}/CHANGES.md ${doc}/changelog)
	run(gzip -9n ${doc}/changelog ${doc}/changelog.Debian)
	file(COPY ${CPACK_WARREN_MADE}/lintian-overrides DESTINATION ${root}/usr/share/lintian/overrides)
	file(RENAME ${root}/usr/share/lintian/overrides/lintian-overrides ${root}/usr/share/lintian/overrides/warren)
else()
	file(COPY ${CPACK_WARREN_MADE}/LICENSE DESTINATION ${root}/usr/share/licenses/warren)
endif()
run(strip --remove-section=.comment ${root}/usr/bin/warren ${root}/usr/sbin/warrend)
file(GLOB pages ${root}/usr/share/man/*/*)
run(gzip -9n ${pages})
run(find ${root} -exec touch --no-dereference --date=@${CPACK_WARREN_TIME} {} +)
