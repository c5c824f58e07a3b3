sources := $(notdir $(wildcard injectd/*.c))
uses := auth base conf daemon ev ipc mail net smtp spf spool stats tls
program := libexec/posthaste/injectd
