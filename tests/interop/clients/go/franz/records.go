package main

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"strom/interop/trial"
)

// compressed also looks at how each record came back: a broker keeps the producer's codec.
func compressed(codec kgo.CompressionCodec, id uint8) func(context.Context, *trial.Place) {
	return func(ctx context.Context, place *trial.Place) {
		topic := place.Fresh("compressed")
		// They are worth compressing: it leaves a batch as it is that would only grow.
		sent := trial.Texts(100, strings.Repeat("v", 100))
		produce(ctx, place, topic, sent, kgo.ProducerBatchCompression(codec))
		found := consume(ctx, place, topic, 100)
		trial.Same(values(found), sent, "What was read")
		for offset, record := range found {
			trial.Same(record.Offset, int64(offset), "The offset")
			trial.Same(record.Attrs.CompressionType(), id, "The codec")
		}
	}
}

func fields(ctx context.Context, place *trial.Place) {
	topic := place.Fresh("fields")
	headers := []kgo.RecordHeader{
		{Key: "a", Value: []byte("b")}, {Key: "a", Value: nil}, {Key: "", Value: []byte{}},
	}
	sent := []*kgo.Record{
		{Key: []byte("k"), Value: []byte("v"), Headers: headers},
		{Key: nil, Value: []byte("keyless")},
		{Key: []byte("tombstone"), Value: nil},
		{Key: []byte{}, Value: []byte{}},
	}
	for index, record := range sent {
		record.Timestamp = trial.Start.Add(time.Duration(index) * time.Millisecond)
	}
	sender := connect(place, kgo.DefaultProduceTopic(topic))
	defer sender.Close()
	trial.Check(sender.ProduceSync(ctx, sent...).FirstErr())
	found := consume(ctx, place, topic, len(sent))
	trial.Same(len(found), len(sent), "The number of records")
	for index, record := range found {
		trial.Same(record.Key, sent[index].Key, "The key")
		trial.Same(record.Value, sent[index].Value, "The value")
		trial.Same(record.Timestamp.UnixMilli(), sent[index].Timestamp.UnixMilli(), "The time")
		trial.Same(record.Attrs.TimestampType(), 0, "The kind of time")
	}
	trial.Same(found[0].Headers, headers, "The headers")
	trial.Same(len(found[1].Headers), 0, "The number of headers of one that has none")
}

// lastBatch notes how many records there were in the batch that was read last.
type lastBatch struct{ records atomic.Int64 }

func (last *lastBatch) OnFetchBatchRead(
	_ kgo.BrokerMetadata, _ string, _ int32, batch kgo.FetchBatchMetrics,
) {
	last.records.Store(int64(batch.NumRecords))
}

func large(ctx context.Context, place *trial.Place) {
	topic := place.Fresh("large")
	create(ctx, place, topic, 1, "max.message.bytes", "12000000")
	value := strings.Repeat("x", 1_000_000)
	sent := make([]string, 10)
	for index := range sent {
		sent[index] = value
	}
	produce(ctx, place, topic, sent, kgo.ProducerBatchMaxBytes(12_000_000),
		kgo.ProducerLinger(500*time.Millisecond), kgo.ProducerBatchCompression(kgo.NoCompression()))
	var last lastBatch
	found := consume(ctx, place, topic, 10, kgo.WithHooks(&last))
	trial.Same(last.records.Load(), 10, "The number of records in the batch")
	trial.Same(len(found), 10, "The number of records")
	for _, record := range found {
		trial.Same(string(record.Value) == value, true, "Whether the value is the same")
	}
}

// idempotent is every producer, unless it is told not to be.
func idempotent(ctx context.Context, place *trial.Place) {
	topic := place.Fresh("idempotent")
	sender := connect(place, kgo.DefaultProduceTopic(topic))
	defer sender.Close()
	for _, value := range trial.Texts(50, "v") {
		trial.Check(sender.ProduceSync(ctx, kgo.StringRecord(value)).FirstErr())
	}
	id, epoch, err := sender.ProducerID(ctx)
	trial.Check(err)
	found := consume(ctx, place, topic, 50)
	trial.Same(values(found), trial.Texts(50, "v"), "What was read")
	for _, record := range found {
		trial.Same(record.ProducerID, id, "The producer's id")
		trial.Same(record.ProducerEpoch, epoch, "The producer's epoch")
	}
}

func failover(ctx context.Context, place *trial.Place) {
	topic := place.Fresh("failover")
	create(ctx, place, topic, 1, "min.insync.replicas", "2")
	leader := leaderOf(ctx, place, topic)
	sender := connect(place, kgo.DefaultProduceTopic(topic))
	defer sender.Close()
	expected := append(trial.Texts(500, "a"), trial.Texts(500, "b")...)
	delivered := make(chan error, len(expected))
	for index, record := range records(expected) {
		if index == 500 {
			place.Kill(leader)
		}
		sender.Produce(ctx, record, func(_ *kgo.Record, err error) { delivered <- err })
	}
	for range expected {
		trial.Check(<-delivered)
	}
	place.Restart(leader)
	trial.Same(values(consume(ctx, place, topic, len(expected))), expected, "What was read")
}
