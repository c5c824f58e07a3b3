sources := commands.c conn.c content.c data.c envelope.c head.c intake.c listen.c main.c session.c space.c stop.c tls_in.c txn.c vmta.c \
	   wire.c world.c
uses := base conf daemon ev ipc mail net smtp spool stats tls
program := libexec/posthaste/injectd
