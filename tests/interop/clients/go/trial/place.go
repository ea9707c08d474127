package trial

import (
	"crypto/rand"
	"fmt"
	"strings"
)

// Place is where the trials take place.
type Place struct {
	Brokers []string
	// Nodes is how many the cluster has.
	Nodes  int
	life   string
	number int
}

func newPlace(bootstrap string, nodes int) *Place {
	life := strings.ToLower(rand.Text()[:8])
	return &Place{Brokers: strings.Split(bootstrap, ","), Nodes: nodes, life: life}
}

// Fresh is a name that nobody else has: for topics, groups and transactional ids.
func (place *Place) Fresh(name string) string {
	place.number++
	return fmt.Sprintf("%s-%s-%d", name, place.life, place.number)
}

// Kill has a node of the cluster killed, as a crash would; it comes back by Restart.
func (place *Place) Kill(node int32) { order(map[string]int32{"kill": node}) }

// Restart has a node that was killed started again.
func (place *Place) Restart(node int32) { order(map[string]int32{"restart": node}) }
