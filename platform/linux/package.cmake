# What a Linux package has besides what every system installs, and what CPack has to know: `package.sh` is the
# one command that builds packages.
include(GNUInstallDirs)
set(here ${CMAKE_CURRENT_LIST_DIR})
set(made ${CMAKE_BINARY_DIR}/package)

# The unit names /usr/sbin/warrend, and systemd looks nowhere else for it: a build for another prefix has none.
if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
	return()
endif()
install(FILES ${here}/service/warrend.service DESTINATION lib/systemd/system)
install(FILES ${here}/service/warren.sysusers DESTINATION lib/sysusers.d RENAME warren.conf)
install(FILES ${here}/service/warren.tmpfiles DESTINATION lib/tmpfiles.d RENAME warren.conf)
install(FILES ${here}/service/warren.ini DESTINATION /etc/warren)

# The ordinary package depends on the system's libsodium. One with its own has a version of its own, which is
# the newer one of the two.
set(WARREN_PACKAGE_REVISION 1 CACHE STRING "The package's revision")
set(revision ${WARREN_PACKAGE_REVISION})
set(built_in "")
set(override_upload "")
if(WARREN_LIBSODIUM AND NOT WARREN_SODIUM_LIBRARY MATCHES "\\.a$")
	message(FATAL_ERROR "${WARREN_SODIUM_LIBRARY}: a package takes a static libsodium, or the system's")
elseif(WARREN_LIBSODIUM)
	string(APPEND revision "+sodium${WARREN_SODIUM_VERSION}")
	set(built_in "The programs contain libsodium ${WARREN_SODIUM_VERSION}.")
	set(copyright_sodium "\nComment:\n ${built_in}\n It has the same licence, and is Copyright (c) 2013-2026 Frank Denis.")
endif()
set(WARREN_PACKAGER "warren developers <maintainers@warren.invalid>" CACHE STRING "Who packages, with an address")

set(CPACK_PACKAGE_NAME warren)
set(CPACK_PACKAGE_VENDOR "warren")
set(CPACK_PACKAGE_CONTACT ${WARREN_PACKAGER})
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "DMVPN overlay network that goes through NATs")
string(CONCAT CPACK_PACKAGE_DESCRIPTION
	"warren joins machines behind any kind of NAT into one network in which every\n"
	"two of them talk directly. Spokes register with a hub by NHRP; traffic flows\n"
	"through the hub at once, and directly as soon as two spokes have punched\n"
	"their way to each other. Routing protocols run over its one interface.\n"
	"Packets travel as GRE in UDP, encrypted, and nothing is needed from the\n"
	"kernel but a TUN device. ${built_in}")
string(STRIP "${CPACK_PACKAGE_DESCRIPTION}" CPACK_PACKAGE_DESCRIPTION)
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_GENERATOR "DEB;RPM")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON)
set(CPACK_PACKAGE_RELOCATABLE OFF)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
	GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS ${here}/finish.cmake)
set(CPACK_WARREN_TIME ${WARREN_RELEASE_TIME})
set(CPACK_WARREN_MADE ${made})

# Dates are those of the release, in packages made at any time.
set(epoch $ENV{SOURCE_DATE_EPOCH})
set(ENV{SOURCE_DATE_EPOCH} ${WARREN_RELEASE_TIME})
string(TIMESTAMP date_deb "%a, %d %b %Y %H:%M:%S +0000" UTC)
string(TIMESTAMP date_rpm "%a %b %d %Y" UTC)
string(TIMESTAMP year "%Y" UTC)
set(ENV{SOURCE_DATE_EPOCH} ${epoch})
file(READ ${CMAKE_SOURCE_DIR}/LICENSE licence)
string(REGEX REPLACE "^.*\n\n(Permission)" "\\1" licence "${licence}")
string(STRIP "${licence}" licence)
string(REPLACE "\n\n" "\n.\n" licence "${licence}")
string(REPLACE "\n" "\n " licence "${licence}")
file(READ ${CMAKE_SOURCE_DIR}/LICENSE whole)
file(WRITE ${made}/LICENSE "${whole}${copyright_sodium}")
configure_file(${here}/deb/copyright.in ${made}/copyright @ONLY)
if(revision STREQUAL "1")
	set(override_upload "# This is the project's own package, and no upload to Debian.\nwarren: initial-upload-closes-no-bugs\n")
endif()
configure_file(${here}/deb/lintian-overrides.in ${made}/lintian-overrides @ONLY)
configure_file(${here}/deb/changelog.in ${made}/changelog.Debian @ONLY)
configure_file(${here}/rpm/changelog.in ${made}/changelog.rpm @ONLY)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${revision})
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS
	"debconf (>= 0.5) | debconf-2.0, systemd | systemd-standalone-sysusers | systemd-sysusers")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
foreach(script postinst prerm postrm templates conffiles)
	list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${here}/deb/${script})
endforeach()

set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_PACKAGE_RELEASE ${revision})
set(CPACK_RPM_PACKAGE_DESCRIPTION ${CPACK_PACKAGE_DESCRIPTION})
set(CPACK_RPM_PACKAGE_LICENSE ISC)
set(CPACK_RPM_PACKAGE_REQUIRES_POST systemd)
set(CPACK_RPM_PACKAGE_GROUP "System Environment/Daemons")
set(CPACK_RPM_CHANGELOG_FILE ${made}/changelog.rpm)
set(CPACK_RPM_POST_INSTALL_SCRIPT_FILE ${here}/rpm/post.sh)
set(CPACK_RPM_PRE_UNINSTALL_SCRIPT_FILE ${here}/rpm/preun.sh)
set(CPACK_RPM_POST_UNINSTALL_SCRIPT_FILE ${here}/rpm/postun.sh)
set(CPACK_RPM_USER_FILELIST "%config(noreplace) /etc/warren/warren.ini" "%license /usr/share/licenses/warren/LICENSE")
# The distribution's own directories are not the package's.
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION /usr/sbin /usr/lib/systemd /usr/lib/systemd/system /usr/lib/sysusers.d
	/usr/lib/tmpfiles.d /usr/share/man /usr/share/man/man1 /usr/share/man/man5 /usr/share/man/man8
	/usr/share/bash-completion /usr/share/bash-completion/completions /usr/share/zsh
	/usr/share/zsh/site-functions /usr/share/fish /usr/share/fish/vendor_completions.d /usr/share/licenses)
set(CPACK_RPM_SPEC_MORE_DEFINE "%define _build_id_links none
%define _buildhost reproducible
%define packager ${WARREN_PACKAGER}
%define use_source_date_epoch_as_buildtime 1
%define clamp_mtime_to_source_date_epoch 1")

include(CPack)
