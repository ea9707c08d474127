package main

import (
	"context"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"strom/interop/trial"
)

// compressed also looks at how the batches are kept: its consumer does not tell.
func compressed(codec sarama.CompressionCodec) func(context.Context, *trial.Place) {
	return func(ctx context.Context, place *trial.Place) {
		for _, version := range versions {
			topic := place.Fresh("compressed")
			produce(place, topic, trial.Texts(100, "v"), as(version), func(all *sarama.Config) {
				all.Producer.Compression = codec
			})
			found := consume(ctx, place, topic, 100, as(version))
			trial.Same(values(found), trial.Texts(100, "v"), "What was read")
			for _, batch := range batches(place, topic) {
				trial.Same(batch.Codec, codec, "The codec")
			}
		}
	}
}

// batches are those of a topic as the broker keeps them.
func batches(place *trial.Place, topic string) []*sarama.RecordBatch {
	client := connect(place)
	defer closed(client)
	leader := trial.Must(client.Leader(topic, 0))
	request := &sarama.FetchRequest{
		Version: 11, MinBytes: 1, MaxWaitTime: 1000, MaxBytes: 16_000_000, SessionEpoch: -1,
	}
	request.AddBlock(topic, 0, 0, 16_000_000, -1)
	block := trial.Must(leader.Fetch(request)).GetBlock(topic, 0)
	trial.Same(block.Err, sarama.ErrNoError, "The error")
	var found []*sarama.RecordBatch
	for _, records := range block.RecordsSet {
		found = append(found, records.RecordBatch)
	}
	trial.Same(len(found) > 0, true, "Whether there is a batch")
	return found
}

func fields(ctx context.Context, place *trial.Place) {
	topic := place.Fresh("fields")
	sent := []*sarama.ProducerMessage{
		{Key: sarama.StringEncoder("k"), Value: sarama.StringEncoder("v")},
		{Key: nil, Value: sarama.StringEncoder("keyless")},
		{Key: sarama.StringEncoder("tombstone"), Value: nil},
		{Key: sarama.StringEncoder(""), Value: sarama.StringEncoder("")},
	}
	sent[0].Headers = []sarama.RecordHeader{
		{Key: []byte("a"), Value: []byte("b")}, {Key: []byte("a"), Value: nil},
		{Key: []byte("c"), Value: []byte{}},
	}
	for index, message := range sent {
		message.Topic = topic
		message.Timestamp = trial.Start.Add(time.Duration(index) * time.Millisecond)
	}
	sender := connectProducer(place)
	defer closed(sender)
	trial.Check(sender.SendMessages(sent))
	found := consume(ctx, place, topic, len(sent))
	keys := [][]byte{[]byte("k"), nil, []byte("tombstone"), {}}
	texts := [][]byte{[]byte("v"), []byte("keyless"), nil, {}}
	for index, message := range found {
		trial.Same(message.Key, keys[index], "The key")
		trial.Same(message.Value, texts[index], "The value")
		ms := message.Timestamp.UnixMilli()
		trial.Same(ms, sent[index].Timestamp.UnixMilli(), "The time")
	}
	var headers []sarama.RecordHeader
	for _, header := range found[0].Headers {
		headers = append(headers, *header)
	}
	trial.Same(headers, sent[0].Headers, "The headers")
	trial.Same(len(found[1].Headers), 0, "The number of headers of one that has none")
}

func large(ctx context.Context, place *trial.Place) {
	topic := place.Fresh("large")
	create(place, topic, 1, map[string]string{"max.message.bytes": "12000000"})
	value := strings.Repeat("x", 1_000_000)
	sent := make([]string, 10)
	for index := range sent {
		sent[index] = value
	}
	produce(place, topic, sent, func(all *sarama.Config) {
		all.Producer.MaxMessageBytes = 12_000_000
		all.Producer.Flush.Messages = len(sent)
		all.Producer.Flush.Frequency = time.Second
	})
	kept := batches(place, topic)
	trial.Same([]int{len(kept), len(kept[0].Records)}, []int{1, 10}, "Batches, and records in one")
	found := consume(ctx, place, topic, 10, func(all *sarama.Config) {
		all.Consumer.Fetch.Default = 12_000_000
	})
	for _, message := range found {
		trial.Same(string(message.Value) == value, true, "Whether the value is the same")
	}
}

func idempotent(ctx context.Context, place *trial.Place) {
	for _, version := range versions {
		topic := place.Fresh("idempotent")
		sender := connectProducer(place, as(version), exactlyOnce)
		for index, message := range messages(topic, trial.Texts(50, "v")) {
			partition, offset, err := sender.SendMessage(message)
			trial.Check(err)
			trial.Same([]int64{int64(partition), offset}, []int64{0, int64(index)}, "Where it is")
		}
		closed(sender)
		trial.Same(values(consume(ctx, place, topic, 50)), trial.Texts(50, "v"), "What was read")
		for index, batch := range batches(place, topic) {
			trial.Same(batch.ProducerID >= 0, true, "Whether the producer has an id")
			trial.Same(batch.FirstSequence, int32(index), "The sequence")
		}
	}
}

// failover asks for more retries than there are otherwise: those would take no second.
func failover(ctx context.Context, place *trial.Place) {
	topic := place.Fresh("failover")
	create(place, topic, 1, map[string]string{"min.insync.replicas": "2"})
	client := connect(place, exactlyOnce, func(all *sarama.Config) {
		all.Producer.Retry.Max = 300
		all.Metadata.Retry.Max = 30
	})
	defer closed(client)
	leader := trial.Must(client.Leader(topic, 0)).ID()
	sender := trial.Must(sarama.NewAsyncProducerFromClient(client))
	expected := append(trial.Texts(500, "a"), trial.Texts(500, "b")...)
	// It takes no more before somebody has heard of what was sent.
	sent := make(chan error, len(expected))
	go func() {
		for range expected {
			select {
			case <-sender.Successes():
				sent <- nil
			case err := <-sender.Errors():
				sent <- err
			}
		}
	}()
	for index, message := range messages(topic, expected) {
		if index == 500 {
			place.Kill(leader)
		}
		sender.Input() <- message
	}
	for range expected {
		trial.Check(<-sent)
	}
	closed(sender)
	place.Restart(leader)
	trial.Same(values(consume(ctx, place, topic, len(expected))), expected, "What was read")
}
