sources := $(notdir $(wildcard bounced/*.c))
uses := daemon spool smtp mail processor track
program := libexec/posthaste/bounced
