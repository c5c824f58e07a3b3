sources := $(notdir $(wildcard acctd/*.c))
uses := acct command daemon spool smtp mail
program := libexec/posthaste/acctd
