sources := $(notdir $(wildcard injectd/*.c))
uses := auth base conf daemon dkim ev ipc json mail net smtp spf spool stats suppress tls
program := libexec/posthaste/injectd
