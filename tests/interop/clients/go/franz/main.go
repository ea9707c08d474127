// Command franz shows what franz-go can do, with its kadm: a client written from the protocol up.
package main

import (
	"context"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"strom/interop/trial"
)

// It speaks both protocols of groups.
var protocols = []string{"classic", "consumer"}

func main() {
	trial.Run([]trial.Trial{
		{Capability: "metadata", Show: metadata},
		{Capability: "produce, consume", Show: compressed(kgo.NoCompression(), 0)},
		{Capability: "gzip", Show: compressed(kgo.GzipCompression(), 1)},
		{Capability: "snappy", Show: compressed(kgo.SnappyCompression(), 2)},
		{Capability: "lz4", Show: compressed(kgo.Lz4Compression(), 3)},
		{Capability: "zstd", Show: compressed(kgo.ZstdCompression(), 4)},
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

func connect(place *trial.Place, options ...kgo.Opt) *kgo.Client {
	all := []kgo.Opt{kgo.SeedBrokers(place.Brokers...), kgo.AllowAutoTopicCreation()}
	return trial.Must(kgo.NewClient(append(all, options...)...))
}

// connectAdmin has one that remembers what it has heard of topics no longer than it must.
func connectAdmin(place *trial.Place) *kadm.Client {
	return kadm.NewClient(connect(place, kgo.MetadataMinAge(msOf(10))))
}

func create(
	ctx context.Context, place *trial.Place, topic string, partitions int32, configs ...string,
) {
	admin := connectAdmin(place)
	defer admin.Close()
	named := map[string]*string{}
	for index := 0; index < len(configs); index += 2 {
		named[configs[index]] = &configs[index+1]
	}
	trial.Must(admin.CreateTopic(ctx, partitions, int16(place.Nodes), named, topic))
}

// produce makes the topic too, with one partition.
func produce(
	ctx context.Context, place *trial.Place, topic string, values []string, options ...kgo.Opt,
) {
	sender := connect(place, append(options, kgo.DefaultProduceTopic(topic))...)
	defer sender.Close()
	trial.Check(sender.ProduceSync(ctx, records(values)...).FirstErr())
}

func records(values []string) []*kgo.Record {
	all := make([]*kgo.Record, len(values))
	for index, value := range values {
		all[index] = kgo.StringRecord(value)
	}
	return all
}

// consume reads a topic from its start, in no group; what was aborted is not read.
func consume(
	ctx context.Context, place *trial.Place, topic string, count int, options ...kgo.Opt,
) []*kgo.Record {
	reader := connect(place, append([]kgo.Opt{
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	}, options...)...)
	defer reader.Close()
	return take(ctx, reader.PollFetches, count)
}

// take has records to be had until there are as many as asked for, or more.
func take(
	ctx context.Context, poll func(context.Context) kgo.Fetches, count int,
) []*kgo.Record {
	var found []*kgo.Record
	for len(found) < count {
		fetches := poll(ctx)
		trial.Check(fetches.Err())
		found = append(found, fetches.Records()...)
	}
	return found
}

func values(records []*kgo.Record) []string {
	all := make([]string, len(records))
	for index, record := range records {
		all[index] = string(record.Value)
	}
	return all
}
