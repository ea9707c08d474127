package main

import (
	"context"

	"github.com/IBM/sarama"

	"strom/interop/trial"
)

func transactions(ctx context.Context, place *trial.Place) {
	for _, version := range versions {
		transactionsAs(ctx, place, version)
	}
}

// transactionsAs copies from a topic to another, exactly once: what was read is committed with
// what was written.
func transactionsAs(ctx context.Context, place *trial.Place, version sarama.KafkaVersion) {
	topic, source := place.Fresh("transactional"), place.Fresh("source")
	group, id := place.Fresh("group"), place.Fresh("tx")
	produce(place, topic, []string{"before"})
	produce(place, source, trial.Texts(5, "v"))
	var read collected
	reader := newMember(ctx, place, source, group, read.add, as(version), func(all *sarama.Config) {
		all.Consumer.Offsets.AutoCommit.Enable = false
	})
	trial.Until("all messages", func() bool { return len(read.list()) >= 5 })
	sender := connectProducer(place, as(version), exactlyOnce, func(all *sarama.Config) {
		all.Producer.Transaction.ID = id
	})
	defer closed(sender)
	offsets := map[string][]*sarama.PartitionOffsetMetadata{
		source: {{Partition: 0, Offset: 5}},
	}
	metadata := sarama.NewConsumerGroupMetadataFromSession(reader.current(), group, nil)

	trial.Check(sender.BeginTxn())
	trial.Check(sender.SendMessages(messages(topic, []string{"aborted"})))
	trial.Check(sender.AddOffsetsToTxnWithGroupMetadata(offsets, metadata))
	trial.Same(reach(place, topic), [2]int64{1, 2}, "What is committed, and the end")
	trial.Check(sender.AbortTxn())
	admin := connectAdmin(place)
	defer closed(admin)
	trial.Same(committed(admin, group, source).Offset, -1, "The offset that was not committed")

	trial.Check(sender.BeginTxn())
	trial.Check(sender.SendMessages(messages(topic, []string{"one", "two"})))
	trial.Check(sender.AddOffsetsToTxnWithGroupMetadata(offsets, metadata))
	trial.Check(sender.CommitTxn())

	expected := []string{"before", "one", "two"}
	trial.Same(values(consume(ctx, place, topic, 3)), expected, "What is committed")
	all := consume(ctx, place, topic, 4, func(all *sarama.Config) {
		all.Consumer.IsolationLevel = sarama.ReadUncommitted
	})
	trial.Same(values(all), []string{"before", "aborted", "one", "two"}, "What is there")
	trial.Same(committed(admin, group, source).Offset, 5, "The committed offset")
	reader.leave()
}

// reach is how far a reader of what is committed gets, and where the topic ends.
func reach(place *trial.Place, topic string) [2]int64 {
	admin := connectAdmin(place)
	defer closed(admin)
	end := func(isolation sarama.IsolationLevel) int64 {
		asked := map[string]map[int32]int64{topic: {0: sarama.OffsetNewest}}
		options := &sarama.ListOffsetsOptions{IsolationLevel: isolation}
		listed := trial.Must(admin.ListOffsets(asked, options))[topic][0]
		trial.Same(listed.Err, error(sarama.ErrNoError), "The error")
		return listed.Offset
	}
	return [2]int64{end(sarama.ReadCommitted), end(sarama.ReadUncommitted)}
}
