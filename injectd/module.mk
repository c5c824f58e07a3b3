sources := $(notdir $(wildcard injectd/*.c))
uses := daemon spool smtp mail
program := libexec/posthaste/injectd
