// Command sarama shows what sarama can do: the oldest of the clients that are written in Go.
package main

import (
	"context"
	"time"

	"github.com/IBM/sarama"

	"strom/interop/trial"
)

// Whoever says nothing has the first; the last is all that it knows.
var versions = []sarama.KafkaVersion{sarama.DefaultVersion, sarama.MaxVersion}

func main() {
	trial.Run([]trial.Trial{
		{Capability: "metadata", Show: metadata},
		{Capability: "produce, consume", Show: compressed(sarama.CompressionNone)},
		{Capability: "gzip", Show: compressed(sarama.CompressionGZIP)},
		{Capability: "snappy", Show: compressed(sarama.CompressionSnappy)},
		{Capability: "lz4", Show: compressed(sarama.CompressionLZ4)},
		{Capability: "zstd", Show: compressed(sarama.CompressionZSTD)},
		{Capability: "headers, nulls, timestamps", Show: fields},
		{Capability: "10 MB batch", Show: large},
		{Capability: "idempotent producer", Show: idempotent},
		{Capability: "topics", Show: topics},
		{Capability: "configs", Show: configs},
		{Capability: "offsets by time", Show: times},
		{Capability: "commit, resume", Show: resume},
		{Capability: "rebalance", Show: rebalance},
		{Capability: "transactions", Show: transactions},
		{Capability: "failover", Show: failover},
	}, join)
}

// config is what all of its clients are told.
func config(changes ...func(*sarama.Config)) *sarama.Config {
	all := sarama.NewConfig()
	all.Version = sarama.MaxVersion
	all.Producer.Return.Successes = true
	all.Producer.RequiredAcks = sarama.WaitForAll
	all.Consumer.Return.Errors = true
	all.Consumer.MaxWaitTime = 100 * time.Millisecond
	all.Consumer.Offsets.Initial = sarama.OffsetOldest
	all.Consumer.IsolationLevel = sarama.ReadCommitted
	for _, change := range changes {
		change(all)
	}
	return all
}

// as has it speak as to that version of Kafka.
func as(version sarama.KafkaVersion) func(*sarama.Config) {
	return func(all *sarama.Config) { all.Version = version }
}

// exactlyOnce is what it asks for before it makes a producer idempotent.
func exactlyOnce(all *sarama.Config) {
	all.Producer.Idempotent = true
	all.Net.MaxOpenRequests = 1
}

func connect(place *trial.Place, changes ...func(*sarama.Config)) sarama.Client {
	return trial.Must(sarama.NewClient(place.Brokers, config(changes...)))
}

func connectAdmin(place *trial.Place) sarama.ClusterAdmin {
	return trial.Must(sarama.NewClusterAdmin(place.Brokers, config()))
}

func connectProducer(place *trial.Place, changes ...func(*sarama.Config)) sarama.SyncProducer {
	return trial.Must(sarama.NewSyncProducer(place.Brokers, config(changes...)))
}

type closer interface{ Close() error }

func closed(client closer) { trial.Check(client.Close()) }

func create(place *trial.Place, topic string, partitions int32, configs map[string]string) {
	admin := connectAdmin(place)
	defer closed(admin)
	detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: int16(place.Nodes)}
	detail.ConfigEntries = map[string]*string{}
	for name, value := range configs {
		detail.ConfigEntries[name] = &value
	}
	trial.Check(admin.CreateTopic(topic, detail, false))
}

func messages(topic string, values []string) []*sarama.ProducerMessage {
	all := make([]*sarama.ProducerMessage, len(values))
	for index, value := range values {
		all[index] = &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(value)}
	}
	return all
}

// produce makes the topic too, with one partition.
func produce(
	place *trial.Place, topic string, values []string, changes ...func(*sarama.Config),
) {
	sender := connectProducer(place, changes...)
	defer closed(sender)
	trial.Check(sender.SendMessages(messages(topic, values)))
}

// consume reads a topic from its start, in no group; what was aborted is not read.
func consume(
	ctx context.Context, place *trial.Place, topic string, count int,
	changes ...func(*sarama.Config),
) []*sarama.ConsumerMessage {
	consumer := trial.Must(sarama.NewConsumer(place.Brokers, config(changes...)))
	defer closed(consumer)
	reader := trial.Must(consumer.ConsumePartition(topic, 0, sarama.OffsetOldest))
	defer closed(reader)
	found := make([]*sarama.ConsumerMessage, 0, count)
	for len(found) < count {
		select {
		case message := <-reader.Messages():
			found = append(found, message)
		case err := <-reader.Errors():
			panic(err)
		case <-ctx.Done():
			panic(ctx.Err())
		}
	}
	return found
}

func values(messages []*sarama.ConsumerMessage) []string {
	all := make([]string, len(messages))
	for index, message := range messages {
		all[index] = string(message.Value)
	}
	return all
}
