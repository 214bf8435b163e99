module weir.example/peers/dtm

go 1.25

require weir.example/peers/tally v0.0.0

replace weir.example/peers/tally => ../shared/tally
