sources := $(notdir $(wildcard acctd/*.c))
uses := daemon spool smtp mail
program := libexec/posthaste/acctd
