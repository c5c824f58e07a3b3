sources := $(notdir $(wildcard fbld/*.c))
uses := daemon processor track
program := libexec/posthaste/fbld
