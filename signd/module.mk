sources := $(notdir $(wildcard signd/*.c))
uses := daemon dkim
program := libexec/posthaste/signd
