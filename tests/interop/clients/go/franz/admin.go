package main

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"strom/interop/trial"
)

func metadata(ctx context.Context, place *trial.Place) {
	admin := connectAdmin(place)
	defer admin.Close()
	described := trial.Must(admin.BrokerMetadata(ctx))
	var brokers []string
	for _, broker := range described.Brokers {
		brokers = append(brokers, fmt.Sprintf("%s:%d", broker.Host, broker.Port))
	}
	trial.Same(trial.Sorted(brokers), trial.Sorted(place.Brokers), "The list of brokers")
	controllerIsBroker := false
	for _, broker := range described.Brokers {
		controllerIsBroker = controllerIsBroker || broker.NodeID == described.Controller
	}
	trial.Same(controllerIsBroker, true, "Whether the controller is a broker")
	for _, versions := range trial.Must(admin.ApiVersions(ctx)) {
		trial.Check(versions.Err)
	}
}

func leaderOf(ctx context.Context, place *trial.Place, topic string) int32 {
	admin := connectAdmin(place)
	defer admin.Close()
	return trial.Must(admin.ListTopics(ctx, topic))[topic].Partitions[0].Leader
}

func topics(ctx context.Context, place *trial.Place) {
	topic := place.Fresh("admin")
	create(ctx, place, topic, 2)
	admin := connectAdmin(place)
	defer admin.Close()
	twice := trial.Must(admin.CreateTopics(ctx, 1, 1, nil, topic))[topic]
	trial.Same(fmt.Sprint(twice.Err), "TOPIC_ALREADY_EXISTS: Topic with this name already exists.",
		"The answer to one who makes it again")
	trial.Check(trial.Must(admin.UpdatePartitions(ctx, 3, topic))[topic].Err)
	trial.Until("three partitions", func() bool {
		whole := 0
		for _, partition := range trial.Must(admin.ListTopics(ctx))[topic].Partitions {
			if partition.Err == nil && len(partition.Replicas) == place.Nodes {
				whole++
			}
		}
		return whole == 3
	})
	trial.Check(trial.Must(admin.DeleteTopic(ctx, topic)).Err)
	trial.Until("the topic is gone", func() bool {
		return !trial.Must(admin.ListTopics(ctx)).Has(topic)
	})
}

func configs(ctx context.Context, place *trial.Place) {
	topic := place.Fresh("configs")
	create(ctx, place, topic, 1)
	admin := connectAdmin(place)
	defer admin.Close()
	alter := func(change kadm.AlterConfig) {
		for _, each := range trial.Must(admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{change}, topic)) {
			trial.Check(each.Err)
		}
	}
	isSet := func(value string, source kmsg.ConfigSource) func() bool {
		return func() bool {
			described := trial.Must(trial.Must(admin.DescribeTopicConfigs(ctx, topic)).On(topic, nil))
			found := configOf(described, "retention.ms")
			return found.MaybeValue() == value && found.Source == source
		}
	}
	value, day := "123456", "604800000"
	alter(kadm.AlterConfig{Op: kadm.SetConfig, Name: "retention.ms", Value: &value})
	trial.Until("the value", isSet(value, kmsg.ConfigSourceDynamicTopicConfig))
	alter(kadm.AlterConfig{Op: kadm.DeleteConfig, Name: "retention.ms"})
	trial.Until("the default again", isSet(day, kmsg.ConfigSourceDefaultConfig))
	broker := trial.Must(trial.Must(admin.DescribeBrokerConfigs(ctx, 1)).On("1", nil))
	trial.Same(configOf(broker, "node.id").MaybeValue(), "1", "node.id")
}

func configOf(resource kadm.ResourceConfig, name string) *kadm.Config {
	trial.Check(resource.Err)
	for index := range resource.Configs {
		if config := &resource.Configs[index]; config.Key == name {
			return config
		}
	}
	panic(fmt.Errorf("%s has no %s", resource.Name, name))
}

func times(ctx context.Context, place *trial.Place) {
	topic := place.Fresh("times")
	sender := connect(place, kgo.DefaultProduceTopic(topic))
	defer sender.Close()
	sent := records(trial.Texts(10, "v"))
	start := trial.Start.UnixMilli()
	for index, record := range sent {
		record.Timestamp = trial.Start.Add(msOf(index))
	}
	trial.Check(sender.ProduceSync(ctx, sent...).FirstErr())
	admin := kadm.NewClient(sender)
	at := func(listed kadm.ListedOffsets, err error) kadm.ListedOffset {
		trial.Check(err)
		offset, _ := listed.Lookup(topic, 0)
		trial.Check(offset.Err)
		return offset
	}
	found := at(admin.ListOffsetsAfterMilli(ctx, start+4, topic))
	trial.Same([]int64{found.Offset, found.Timestamp - start}, []int64{4, 4}, "The offset of a time")
	newest := at(admin.ListMaxTimestampOffsets(ctx, topic))
	trial.Same([]int64{newest.Offset, newest.Timestamp - start}, []int64{9, 9}, "The newest")
	trial.Same(at(admin.ListEndOffsets(ctx, topic)).Offset, 10, "The end")
	// Nothing is as young: kadm gives the end instead.
	trial.Same(at(admin.ListOffsetsAfterMilli(ctx, start+10, topic)).Offset, 10, "The offset of later")
	var before kadm.Offsets
	before.AddOffset(topic, 0, 3, -1)
	trial.Check(trial.Must(admin.DeleteRecords(ctx, before)).Error())
	trial.Same(at(admin.ListStartOffsets(ctx, topic)).Offset, 3, "The first")
	trial.Same(values(consume(ctx, place, topic, 7)), trial.Texts(10, "v")[3:], "What is left")
}
