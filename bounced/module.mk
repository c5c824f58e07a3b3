sources := $(notdir $(wildcard bounced/*.c))
uses := daemon spool smtp mail
program := libexec/posthaste/bounced
