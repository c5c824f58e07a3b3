sources := $(notdir $(wildcard bounced/*.c))
uses := daemon command ctl processor track spool smtp mail suppress classify
program := libexec/posthaste/bounced
