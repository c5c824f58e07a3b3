sources := $(notdir $(wildcard injectd/*.c))
uses := auth base conf daemon dkim ev ipc json mail net smtp spf spool stats tls
program := libexec/posthaste/injectd
