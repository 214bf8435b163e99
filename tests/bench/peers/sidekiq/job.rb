# An empty job of Sidekiq, and where its server is.
require 'logger'
require 'sidekiq'
require_relative '../shared/tally'

server = { url: "unix://#{ENV.fetch('PEERS_SOCKET')}" }
Sidekiq.configure_client { |config| config.redis = server }
Sidekiq.configure_server do |config|
  config.redis = server
  config.logger.level = Logger::WARN
end

class Job
  include Sidekiq::Worker
  sidekiq_options queue: 'jobs'

  def perform(_payload)
    Tally.begin
    Tally.end
  end
end
