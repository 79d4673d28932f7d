import { useEffect, useMemo, useSyncExternalStore } from 'react'
import { api } from '../../api/client'
import { useSession } from '../../app/session'
import { Feed, type FeedView } from '../../live/feed'

/** The feed of one filter text, running while the page is shown. */
export function useFeed(query: string): { feed: Feed; view: FeedView } {
  const { link } = useSession()
  const feed = useMemo(() => new Feed(query, api, link), [query, link])
  const view = useSyncExternalStore(feed.listen, feed.snapshot)
  useEffect(() => {
    feed.start()
    return () => feed.stop()
  }, [feed])
  return { feed, view }
}
