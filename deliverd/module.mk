sources := $(notdir $(wildcard deliverd/*.c))
uses := daemon dkim spool smtp mail
program := libexec/posthaste/deliverd
