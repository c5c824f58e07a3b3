sources := $(notdir $(wildcard putfile/*.c))
uses := command
program := libexec/posthaste/putfile
