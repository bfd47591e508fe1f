# SPDX-License-Identifier: MIT
# What Doxygen reads of a header: the comment at its top is about the file, and one behind a member is about the member.
1s|^// .*|/// @file|
2,/^[^/]/s#^//( |$)#///\1#
/^(struct|class|enum) /,/^}/s#^(  [^ /].*[^ ]| {9}) +// #\1  ///< #
