sources := $(notdir $(wildcard deliverd/*.c))
uses := daemon spool smtp mail
program := libexec/posthaste/deliverd
