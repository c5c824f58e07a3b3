sources := $(notdir $(wildcard acctd/*.c))
uses := acct daemon spool smtp mail
program := libexec/posthaste/acctd
