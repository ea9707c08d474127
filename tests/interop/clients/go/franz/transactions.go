package main

import (
	"context"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"strom/interop/trial"
)

func transactions(ctx context.Context, place *trial.Place) {
	for _, protocol := range protocols {
		transactionsBy(ctx, place, protocol)
	}
}

// transactionsBy copies from a topic to another, exactly once: what was read is committed with
// what was written.
func transactionsBy(ctx context.Context, place *trial.Place, protocol string) {
	topic, source := place.Fresh("transactional"), place.Fresh("source")
	group, id := place.Fresh("group"), place.Fresh("tx")
	produce(ctx, place, topic, []string{"before"})
	produce(ctx, place, source, trial.Texts(5, "v"))
	admin := connectAdmin(place)
	defer admin.Close()
	session := trial.Must(kgo.NewGroupTransactSession(grouped(source, group, protocol,
		kgo.SeedBrokers(place.Brokers...), kgo.TransactionalID(id), kgo.DefaultProduceTopic(topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))...))
	defer session.Close()

	trial.Check(session.Begin())
	trial.Same(values(take(ctx, session.PollFetches, 5)), trial.Texts(5, "v"), "What was read first")
	trial.Check(session.ProduceSync(ctx, records([]string{"aborted"})...).FirstErr())
	trial.Same(reach(ctx, admin, topic), [2]int64{1, 2}, "What is committed, and the end")
	trial.Same(stateOf(ctx, admin, id), "Ongoing", "The state in the middle")
	end(ctx, session, kgo.TryAbort, false)

	trial.Check(session.Begin())
	trial.Same(values(take(ctx, session.PollFetches, 5)), trial.Texts(5, "v"), "What was read again")
	trial.Check(session.ProduceSync(ctx, records([]string{"one", "two"})...).FirstErr())
	end(ctx, session, kgo.TryCommit, true)

	expected := []string{"before", "one", "two"}
	trial.Same(values(consume(ctx, place, topic, 3)), expected, "What is committed")
	all := consume(ctx, place, topic, 4, kgo.FetchIsolationLevel(kgo.ReadUncommitted()))
	trial.Same(values(all), []string{"before", "aborted", "one", "two"}, "What is there")
	offset, _ := trial.Must(admin.FetchOffsets(ctx, group)).Lookup(source, 0)
	trial.Same(offset.At, 5, "The committed offset")
	trial.Until("it is over", func() bool { return stateOf(ctx, admin, id) == "CompleteCommit" })
}

func end(
	ctx context.Context, session *kgo.GroupTransactSession, how kgo.TransactionEndTry, is bool,
) {
	trial.Same(trial.Must(session.End(ctx, how)), is, "Whether it was committed")
}

// reach is how far a reader of what is committed gets, and where the topic ends.
func reach(ctx context.Context, admin *kadm.Client, topic string) [2]int64 {
	committed, _ := trial.Must(admin.ListCommittedOffsets(ctx, topic)).Lookup(topic, 0)
	end, _ := trial.Must(admin.ListEndOffsets(ctx, topic)).Lookup(topic, 0)
	return [2]int64{committed.Offset, end.Offset}
}

func stateOf(ctx context.Context, admin *kadm.Client, id string) string {
	described := trial.Must(admin.DescribeTransactions(ctx, id))[id]
	trial.Check(described.Err)
	return described.State
}
