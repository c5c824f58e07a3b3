sources := age.c \
	   age_file.c \
	   arrive.c \
	   conn.c \
	   control.c \
	   control_act.c \
	   control_explain.c \
	   control_list.c \
	   control_show.c \
	   domain.c \
	   due.c \
	   events.c \
	   expire.c \
	   final.c \
	   job.c \
	   limit.c \
	   main.c \
	   message.c \
	   move.c \
	   names.c \
	   order.c \
	   orphan.c \
	   outcome.c \
	   own.c \
	   pause.c \
	   peers.c \
	   place.c \
	   policy.c \
	   queue.c \
	   recover.c \
	   report.c \
	   rollup.c \
	   route.c \
	   run.c \
	   segment.c \
	   segment_compact.c \
	   state.c \
	   ticks.c \
	   traffic.c \
	   vmta.c
uses := daemon spool ctl conf net ipc ev stats base
program := libexec/posthaste/queued
